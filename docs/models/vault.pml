/* The vaults of two devices and the order of their writes (docs/protocol.md
   sections 3 and 14). The sender saves the advanced session and the envelope in one
   transaction, then sends. The recipient decrypts, saves message, session and the
   removal of the used prekey in one transaction, then acknowledges; the server
   then deletes. Either device may crash between any two steps, and the server,
   or whoever sits in its place, may put FORGED envelopes before the real ones.

   Asked: no chain position encrypts two texts; nothing that was acknowledged is
   missing; nothing is shown twice or out of order; an envelope that comes again can
   always be handled; a forged one changes nothing; a used prekey does not outlive
   the acknowledgement. After CRASHES and FORGED are spent all comes to rest shown.

   Each macro makes one mistake. models_test.go demands that each is found:
   SEND_BEFORE_SAVE        envelope sent, then session saved
   RATCHET_AFTER_SHOW      message saved, then session
   RATCHET_BEFORE_SHOW     session saved, then message
   PREKEY_FIRST            used prekey removed, then the rest saved
   PREKEY_AFTER_ACK        used prekey removed after the acknowledgement
   ACK_BEFORE_SAVE         acknowledged, then saved
   SAVE_BEFORE_DECRYPT     used prekey removed before the envelope is authenticated
   ADVANCE_BEFORE_DECRYPT  session advanced before the envelope is authenticated
   DROP_REPEAT_UNACKED     a repeat is dropped without an acknowledgement
   REACH_REPEAT is no mistake: it demands that a repeat is seen. */

#ifndef N
#define N 3             /* messages; the first is the one that uses a prekey */
#endif
#ifndef CRASHES
#define CRASHES 3
#endif
#ifndef FORGED
#define FORGED 2
#endif
#define FAKE 15

byte crashes = 0, forged = 0;

/* Durable: sender. */
byte position = 0;              /* next chain position */
byte outbox[N];                 /* text saved at a position, 0 where none */
/* Durable: server. */
bool stored[N], deleted[N];
/* Volatile: server. */
bool handed[N];                 /* written to the recipient's present connection */
/* Durable: recipient. */
bool prekey = true, session = false;
bool used[N];                   /* positions that the session has consumed */
byte listed[N];                 /* times a position's text stands in the message list */

byte drafts = 0;                /* each try of a member to write is another text */
byte under[N];                  /* ghost: the text that left the device under a position */
chan line = [1] of { byte };    /* server to recipient; cut with a crash */

inline leaveDevice(at, text) {
  assert(under[at] == 0 || under[at] == text);   /* one key, one text */
  under[at] = text; stored[at] = true
}

active proctype Sender() { byte text;
end: do
  :: atomic { position < N && text == 0 -> drafts++; text = drafts }
#ifdef SEND_BEFORE_SAVE
  :: atomic { text != 0 -> leaveDevice(position, text);
       if
       :: crashes < CRASHES -> crashes++
       :: outbox[position] = text; position++
       fi; text = 0 }
#else
  :: atomic { text != 0 -> outbox[position] = text; position++; text = 0 }
#endif
  :: atomic { outbox[0] != 0 && !stored[0] -> leaveDevice(0, outbox[0]) }
  :: atomic { outbox[1] != 0 && stored[0] && !stored[1] -> leaveDevice(1, outbox[1]) }
  :: atomic { outbox[2] != 0 && stored[1] && !stored[2] -> leaveDevice(2, outbox[2]) }
  :: atomic { text != 0 && crashes < CRASHES -> crashes++; text = 0 }
  od
}

/* The mailbox hands out the first row that stands; it deletes on acknowledgement. */
active proctype Server() {
end: do
  :: atomic { empty(line) && forged < FORGED -> forged++; line!FAKE }
  :: atomic { empty(line) && stored[0] && !handed[0] && !deleted[0] -> line!0; handed[0] = true }
  :: atomic { empty(line) && stored[1] && !handed[1] && !deleted[1] && deleted[0] -> line!1; handed[1] = true }
  :: atomic { empty(line) && stored[2] && !handed[2] && !deleted[2] && deleted[1] -> line!2; handed[2] = true }
  od
}

inline crash() {
  if :: crashes < CRASHES -> crashes++; goto restart :: skip fi
}
inline saveMessage(x) { assert(x == 0 || listed[x-1] > 0); listed[x]++ }
inline saveSession(x) { session = true; used[x] = true }
inline acknowledge(x) { deleted[x] = true }

active proctype Recipient() { byte x;
restart: atomic { x = 0; handed[0] = false; handed[1] = false; handed[2] = false; do :: line?_ :: empty(line) -> break od };
end: do
  :: atomic { line?x ->
       if
       :: x == FAKE ->            /* a handshake with a wrong tag: read, refused */
#ifdef SAVE_BEFORE_DECRYPT
          prekey = false;
#endif
#ifdef ADVANCE_BEFORE_DECRYPT
          if :: session && !used[1] -> used[1] = true :: else fi;
#endif
          skip
       :: x != FAKE && session && used[x] ->
#ifdef REACH_REPEAT
          assert(false);
#endif
#ifndef DROP_REPEAT_UNACKED
          acknowledge(x);
#endif
          skip
       :: x != FAKE && !(session && used[x]) ->
          assert(session || prekey);              /* it can be decrypted */
#ifdef RATCHET_AFTER_SHOW
          saveMessage(x); crash(); saveSession(x); prekey = false; crash(); acknowledge(x)
#else
#ifdef RATCHET_BEFORE_SHOW
          saveSession(x); prekey = false; crash(); saveMessage(x); crash(); acknowledge(x)
#else
#ifdef PREKEY_FIRST
          prekey = false; crash(); saveMessage(x); saveSession(x); crash(); acknowledge(x)
#else
#ifdef PREKEY_AFTER_ACK
          saveMessage(x); saveSession(x); crash(); acknowledge(x); crash(); prekey = false
#else
#ifdef ACK_BEFORE_SAVE
          acknowledge(x); crash(); saveMessage(x); saveSession(x); prekey = false
#else
          saveMessage(x); saveSession(x); prekey = false; /* one transaction */
          crash();
          acknowledge(x)
#endif
#endif
#endif
#endif
#endif
       fi; x = 0 }
  :: atomic { crashes < CRASHES -> crashes++; goto restart }
  od
}

#define kept(i)  (!deleted[i] || (listed[i] == 1 && used[i]))
#define once(i)  (listed[i] <= 1)
#define rest(i)  (listed[i] == 1 && deleted[i])
#define SAFE (kept(0) && kept(1) && kept(2) && once(0) && once(1) && once(2) && (!deleted[0] || !prekey))
#define REST (rest(0) && rest(1) && rest(2))
active proctype Monitor() {
end: if
  :: atomic { !SAFE -> assert(false) }
  :: timeout -> assert(REST)
  fi
}
