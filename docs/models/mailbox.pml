/* One sender, its server and D devices of the recipient: group commit, early
   delivery and elision (docs/protocol.md section 3). The question: is each envelope at every
   moment in the sender's outbox, in the mailbox table or in the recipient's vault,
   and is each message shown once and in order, whatever is cut off or crashes?

   A connection loses what is in flight when it is cut and nothing else (it is TCP).
   Devices come online when they like. FAULTS bounds cuts, crashes and failed
   transactions together; after them everything must come to rest with every
   message shown on every device and the table empty.

   Each macro below makes one mistake. models_test.go demands that each is found:
   ACCEPT_BEFORE_DURABLE      Accepted when the envelope is queued
   ACCEPT_ON_HANDOVER         Accepted when the envelope was written to the sockets
   ELIDE_WITHOUT_ACK          insert dropped when the envelope was written to a socket
   ELIDE_ONE_OF_SET           one device's ack drops the inserts of the whole set
   FORGET_ACK_IN_FLIGHT       ack of an envelope whose insert is running: its row stays,
                              marked as sent
   EARLY_OVERTAKES            early delivery does not wait for what is in the table
   WRITERS_RACE               two writers take the envelopes of one sender
   ABORT_GOES_ON              a failed transaction does not end the sender's connection
   DELETE_ON_SEND             row deleted when it was written to the socket
   CLIENT_ACK_BEFORE_PERSIST  device acknowledges, then saves
   NO_DEDUP                   device shows a repeat
   REACH_ELISION and REACH_COMMIT are no mistakes: they demand that the state which
   they name is reached, so that a model that does nothing cannot pass. */

#ifndef N
#define N 2            /* messages of the sender, in its order */
#endif
#ifndef D
#define D 2            /* devices of the recipient */
#endif
#ifndef FAULTS
#define FAULTS 2
#endif

#define E(m, d) ((m)*D + (d))
#define NONE 0
#define QUEUED 1       /* in the batch that is being collected: can be elided */
#define RUNNING 2      /* in the transaction that is under way: cannot */

chan up = [N] of { byte };          /* sender to server */
chan ok = [N] of { byte };          /* server to sender: Accepted */
chan down[D] = [N] of { byte };     /* server to device */
chan ack[D] = [N] of { byte };      /* device to server */
byte faults = 0;

/* Durable. Tables hold a message as m + 1, in position order, 0 where empty. */
bool outdone[N];                    /* the sender has seen Accepted */
byte mail[N*D];                     /* slot d*N + i: the i-th row of device d */
byte shown[N*D];                    /* times shown, by E(m, d) */

/* In the server's memory. */
byte queue[N];                      /* the batch, in order of arrival */
byte running[N];                    /* the transaction */
byte where[N];                      /* NONE, QUEUED, RUNNING */
bool need[N*D];                     /* an insert is still owed */
bool acked[N*D];                    /* acknowledged while its set was QUEUED or RUNNING */
bool sent[N*D];                     /* written to the device's present connection */
bool conn[D];
bool asked[N];                      /* the sender waits for Accepted */

/* In the clients' memory. */
byte next = 0;                      /* the sender's place in its outbox */
byte held[D];                       /* message whose handling is half done, as m + 1 */

bool told[N];                       /* ghost: Accepted was given */

/* Scratch, zero between steps so that it adds no states. */
hidden byte i_, j_, m_, d_, c_;
hidden byte b_;

/* Macros where an array is an argument: inline takes expressions only. */
#define appendTo(a, base, m) /* keep order, no second copy */ \
  i_ = 0; \
  do :: i_ < N && a[(base)+i_] != 0 && a[(base)+i_] != (m)+1 -> i_++ :: else -> break od; \
  a[(base)+i_] = (m)+1
#define removeFrom(a, base, m) \
  i_ = 0; \
  do :: i_ < N && a[(base)+i_] != (m)+1 -> i_++ :: else -> break od; \
  do \
  :: i_ < N-1 -> a[(base)+i_] = a[(base)+i_+1]; i_++ \
  :: i_ == N-1 -> a[(base)+i_] = 0; break \
  :: else -> break \
  od
inline hasRow(m, d) {
  b_ = false; i_ = 0;
  do :: i_ < N -> b_ = b_ || mail[(d)*N+i_] == (m)+1; i_++ :: else -> break od
}
inline accept(m) {
  if :: asked[m] -> asked[m] = false; told[m] = true; ok!m :: else fi
}
inline leave(m) {                   /* the set is no longer in the server's memory */
  where[m] = NONE; j_ = 0;
  do :: j_ < D -> need[E(m,j_)] = false; acked[E(m,j_)] = false; j_++ :: else -> break od
}
/* acceptIfSafe gives Accepted when every envelope of the set is in the table or
   was acknowledged, and then drops the inserts that are not under way yet. */
inline acceptIfSafe(m) {
  c_ = 1; j_ = 0;
  do
  :: j_ < D ->
     hasRow(m, j_);
     if :: !b_ && !acked[E(m,j_)] -> c_ = 0 :: else fi; j_++
  :: else -> break
  od;
  if
  :: c_ == 1 -> accept(m);
     if
     :: where[m] == QUEUED ->
#ifdef REACH_ELISION
        assert(false);
#endif
        removeFrom(queue, 0, m); leave(m)
     :: else
     fi
  :: else
  fi
}
inline cutSender() {
  do :: up?_ :: ok?_ :: empty(up) && empty(ok) -> break od;
  next = 0; m_ = 0;
  do :: m_ < N -> asked[m_] = false; m_++ :: else -> break od
}
inline cutDevice(d) {
  do :: down[d]?_ :: ack[d]?_ :: empty(down[d]) && empty(ack[d]) -> break od;
  conn[d] = false; held[d] = 0; m_ = 0;
  do :: m_ < N -> sent[E(m_,d)] = false; m_++ :: else -> break od
}
inline forgetBatches() {
  m_ = 0;
  do :: m_ < N -> queue[m_] = 0; running[m_] = 0; leave(m_); m_++ :: else -> break od
}
#ifdef FORGET_ACK_IN_FLIGHT
#define owes(e) need[e]
#else
#define owes(e) (need[e] && !acked[e])
#endif
#ifdef REACH_COMMIT
#define reached() assert(false)
#else
#define reached() skip
#endif
#define insertAll(from) \
  m_ = 0; \
  do \
  :: m_ < N && from[m_] != 0 -> \
     d_ = 0; \
     do \
     :: d_ < D -> \
        if \
        :: owes(E(from[m_]-1,d_)) -> appendTo(mail, d_*N, from[m_]-1) \
        :: else \
        fi; d_++ \
     :: else -> break \
     od; \
     accept(from[m_]-1); reached(); leave(from[m_]-1); from[m_] = 0; m_++ \
  :: else -> break \
  od

active proctype Sender() { byte m;
end: do
  :: d_step { next < N && outdone[next] -> next++ }
  :: d_step { next < N && !outdone[next] && nfull(up) -> up!next; next++ }
  :: d_step { ok?m -> outdone[m] = true; m = 0 }
  :: d_step { faults < FAULTS && (next > 0) -> faults++; cutSender(); m_ = 0 }
  od
}

/* choose puts into c_ the first envelope (as m + 1) that device d has not been
   sent on this connection: rows by position, then the transaction, then the batch. */
inline choose(d) {
  c_ = 0; m_ = 0;
#ifdef EARLY_OVERTAKES
  do :: m_ < N -> if :: c_ == 0 && queue[m_] != 0 && need[E(queue[m_]-1,d)] && !sent[E(queue[m_]-1,d)] -> c_ = queue[m_] :: else fi; m_++ :: else -> break od; m_ = 0;
#endif
  do :: m_ < N -> if :: c_ == 0 && mail[(d)*N+m_] != 0 && !sent[E(mail[(d)*N+m_]-1,d)] -> c_ = mail[(d)*N+m_] :: else fi; m_++ :: else -> break od; m_ = 0;
  do :: m_ < N -> if :: c_ == 0 && running[m_] != 0 && need[E(running[m_]-1,d)] && !acked[E(running[m_]-1,d)] && !sent[E(running[m_]-1,d)] -> c_ = running[m_] :: else fi; m_++ :: else -> break od; m_ = 0;
  do :: m_ < N -> if :: c_ == 0 && queue[m_] != 0 && need[E(queue[m_]-1,d)] && !acked[E(queue[m_]-1,d)] && !sent[E(queue[m_]-1,d)] -> c_ = queue[m_] :: else fi; m_++ :: else -> break od
}
inline handOver(m, d) {
  down[d]!m; sent[E(m,d)] = true;
#ifdef DELETE_ON_SEND
  removeFrom(mail, (d)*N, m);
#endif
#ifdef ELIDE_WITHOUT_ACK
  if :: where[m] == QUEUED -> acked[E(m,d)] = true; acceptIfSafe(m) :: else fi;
#endif
#ifdef ACCEPT_ON_HANDOVER
  b_ = true; j_ = 0;
  do :: j_ < D -> b_ = b_ && sent[E(m,j_)]; j_++ :: else -> break od;
  if :: b_ -> accept(m) :: else fi;
#endif
}
inline deliver(d) {
  d_step {
    conn[d] && nfull(down[d]) -> choose(d);
    if :: c_ != 0 -> handOver(c_-1, d) :: else fi;
    c_ = 0; m_ = 0; j_ = 0; i_ = 0; b_ = 0
  }
}
/* owed(d): choose would find something; the guard that keeps deliver from spinning. */
#define rowOwed(d, i)   (mail[(d)*N+(i)] != 0 && !sent[E(mail[(d)*N+(i)]-1,d)])
#define memOwed(a, d, i) (a[i] != 0 && need[E(a[i]-1,d)] && !acked[E(a[i]-1,d)] && !sent[E(a[i]-1,d)])
#define slotOwed(d, i)  (rowOwed(d,i) || memOwed(running,d,i) || memOwed(queue,d,i))
#if N == 2
#define owed(d) (slotOwed(d,0) || slotOwed(d,1))
#else
#define owed(d) (slotOwed(d,0) || slotOwed(d,1) || slotOwed(d,2))
#endif

active proctype Server() { byte m;
end: do
  :: d_step { up?m ->                            /* a set arrives */
       asked[m] = true;
       if
       :: where[m] != NONE
       :: else ->
          d_ = 0; where[m] = QUEUED;
          do :: d_ < D -> hasRow(m, d_); need[E(m,d_)] = !b_; d_++ :: else -> break od;
          appendTo(queue, 0, m); acceptIfSafe(m)
       fi;
#ifdef ACCEPT_BEFORE_DURABLE
       accept(m);
#endif
       m = 0; c_ = 0; m_ = 0; d_ = 0; j_ = 0; i_ = 0; b_ = 0 }
  :: d_step { queue[0] != 0 && running[0] == 0 -> /* the writer takes the batch */
       m_ = 0;
       do
       :: m_ < N -> running[m_] = queue[m_]; queue[m_] = 0;
          if :: running[m_] != 0 -> where[running[m_]-1] = RUNNING :: else fi; m_++
       :: else -> break
       od; m_ = 0 }
#ifdef WRITERS_RACE
  :: d_step { queue[0] != 0 && running[0] != 0 -> insertAll(queue); m_ = 0; d_ = 0; j_ = 0; i_ = 0 }
#endif
  :: d_step { running[0] != 0 -> insertAll(running); m_ = 0; d_ = 0; j_ = 0; i_ = 0 }
  :: d_step { running[0] != 0 && faults < FAULTS -> faults++; /* the transaction fails */
#ifdef ABORT_GOES_ON
       m_ = 0;
       do :: m_ < N -> if :: running[m_] != 0 -> leave(running[m_]-1) :: else fi; running[m_] = 0; m_++ :: else -> break od;
#else
       forgetBatches(); cutSender();
#endif
       m_ = 0; j_ = 0 }
  :: d_step { faults < FAULTS -> faults++;        /* the server crashes */
       forgetBatches(); cutSender(); d_ = 0;
       do :: d_ < D -> cutDevice(d_); d_++ :: else -> break od;
       m_ = 0; d_ = 0; j_ = 0 }
  od
}

proctype Line(byte d) { byte m;                   /* the server's side of one device */
end: do
  :: conn[d] && nfull(down[d]) && owed(d) -> deliver(d)
  :: d_step { ack[d]?m ->
#ifdef FORGET_ACK_IN_FLIGHT
       sent[E(m,d)] = where[m] == RUNNING;
#else
       sent[E(m,d)] = false;
#endif
       removeFrom(mail, d*N, m);
       if :: where[m] != NONE -> acked[E(m,d)] = true; acceptIfSafe(m) :: else fi;
#ifdef ELIDE_ONE_OF_SET
       if :: where[m] == QUEUED -> accept(m); removeFrom(queue, 0, m); leave(m) :: else fi;
#endif
       m = 0; c_ = 0; m_ = 0; j_ = 0; i_ = 0; b_ = 0 }
  od
}

inline display(m, d) {
#ifndef NO_DEDUP
  if :: shown[E(m,d)] == 0 ->
#else
  if :: shown[E(m,d)] < 2 ->
#endif
     assert(m == 0 || shown[E(m-1,d)] > 0);       /* in the sender's order */
     shown[E(m,d)]++
  :: else
  fi
}
proctype Device(byte d) { byte m;
end: do
  :: d_step { !conn[d] -> conn[d] = true }
#ifdef CLIENT_ACK_BEFORE_PERSIST
  :: d_step { conn[d] && held[d] == 0 && nempty(down[d]) && nfull(ack[d]) ->
       down[d]?m; ack[d]!m; held[d] = m+1; m = 0 }
  :: d_step { held[d] != 0 -> display(held[d]-1, d); held[d] = 0 }
#else
  :: d_step { conn[d] && held[d] == 0 && nempty(down[d]) ->
       down[d]?m; display(m, d); held[d] = m+1; m = 0 } /* one vault transaction */
  :: d_step { held[d] != 0 && nfull(ack[d]) -> ack[d]!held[d]-1; held[d] = 0 }
#endif
  :: d_step { conn[d] && faults < FAULTS -> faults++; cutDevice(d); m_ = 0 }
  od
}

/* safe(m, d): what was Accepted is in the table or in the vault; shown at most once. */
#if N == 2
#define row(m, d) (mail[(d)*N] == (m)+1 || mail[(d)*N+1] == (m)+1)
#else
#define row(m, d) (mail[(d)*N] == (m)+1 || mail[(d)*N+1] == (m)+1 || mail[(d)*N+2] == (m)+1)
#endif
#define safe(m, d) ((!told[m] || row(m,d) || shown[E(m,d)] > 0) && shown[E(m,d)] <= 1)
#define rest(m, d) (shown[E(m,d)] == 1 && mail[E(m,d)] == 0 && outdone[m])

#if D == 2
#define safeSet(m) (safe(m,0) && safe(m,1))
#define restSet(m) (rest(m,0) && rest(m,1))
#else
#define safeSet(m) safe(m,0)
#define restSet(m) rest(m,0)
#endif
#if N == 2
#define SAFE (safeSet(0) && safeSet(1))
#define REST (restSet(0) && restSet(1))
#else
#define SAFE (safeSet(0) && safeSet(1) && safeSet(2))
#define REST (restSet(0) && restSet(1) && restSet(2))
#endif
init { byte d;
  atomic { do :: d < D -> run Line(d); run Device(d); d++ :: else -> break od; d = 0 };
end: if
  :: atomic { !SAFE -> assert(false) }
  :: timeout -> assert(REST)
  fi
}
