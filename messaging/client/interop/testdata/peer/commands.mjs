// What the peer can be told to do: README.md has the parameters and results of every command.

import { L, features, version } from './library.mjs';
import { Identities, KyberPreKeys, PreKeys, Sessions, SignedPreKeys, keyOf } from './stores.mjs';

// Releases before 0.75 insist on a Buffer, later ones take one for the Uint8Array that it is.
const bytes = (text) => Buffer.from(text, 'base64');
const text = (b) => Buffer.from(b).toString('base64');
const address = (p) => L.ProtocolAddress.new(p.name, p.deviceId ?? 1);
const time = (ms) => (ms === undefined ? new Date() : new Date(ms));
const curveKey = (b) => L.PublicKey.deserialize(bytes(b));
const privateKey = (b) => L.PrivateKey.deserialize(bytes(b));

// Registration ids have 14 bits and are not 0.
const randomRegistration = () => 1 + Math.floor(Math.random() * 0x3ffe);

const parties = new Map();

function party(p) {
  const found = parties.get(keyOf(address(p)));
  if (!found) throw new Error(`unknown local party ${keyOf(address(p))}`);
  return found;
}

// pq is the argument on SPQR of those releases that leave it to the caller.
const pq = (p) => (features.usePqFlag ? [p.usePqRatchet ? L.UsePQRatchet.Yes : L.UsePQRatchet.No] : []);
const local = (p, taken) => (taken ? [address(p.local)] : []);

function newIdentity(p) {
  const identity = p.identityPrivate ? privateKey(p.identityPrivate) : L.PrivateKey.generate();
  const registrationId = p.registrationId ?? randomRegistration();
  parties.set(keyOf(address(p)), {
    identities: new Identities(identity, registrationId, Boolean(p.trustChanges)),
    sessions: new Sessions(),
    preKeys: new PreKeys(),
    signedPreKeys: new SignedPreKeys(),
    kyberPreKeys: new KyberPreKeys(),
    nextId: 1,
  });
  return {
    name: p.name, deviceId: p.deviceId ?? 1, registrationId,
    identityPublic: text(identity.getPublicKey().serialize()), identityPrivate: text(identity.serialize()),
  };
}

async function bundle(p) {
  const x = party(p);
  const { identity, registrationId } = x.identities;
  const made = p.timestamp ?? Date.now();
  const ids = p.ids ?? {};
  const out = {
    registrationId, deviceId: p.deviceId ?? 1, identityKey: text(identity.getPublicKey().serialize()),
    preKeyId: null, preKeyPublic: null,
  };
  const secrets = {};

  if (p.oneTime !== false) {
    const one = L.PrivateKey.generate();
    out.preKeyId = ids.preKeyId ?? x.nextId++;
    out.preKeyPublic = text(one.getPublicKey().serialize());
    secrets.preKeyPrivate = text(one.serialize());
    await x.preKeys.savePreKey(out.preKeyId, L.PreKeyRecord.new(out.preKeyId, one.getPublicKey(), one));
  }

  const signed = L.PrivateKey.generate();
  const signature = identity.sign(signed.getPublicKey().serialize());
  out.signedPreKeyId = ids.signedPreKeyId ?? x.nextId++;
  out.signedPreKeyPublic = text(signed.getPublicKey().serialize());
  out.signedPreKeySignature = text(signature);
  secrets.signedPreKeyPrivate = text(signed.serialize());
  await x.signedPreKeys.saveSignedPreKey(out.signedPreKeyId,
    L.SignedPreKeyRecord.new(out.signedPreKeyId, made, signed.getPublicKey(), signed, signature));

  const kem = L.KEMKeyPair.generate();
  const kemSignature = identity.sign(kem.getPublicKey().serialize());
  out.kyberPreKeyId = ids.kyberPreKeyId ?? x.nextId++;
  out.kyberPreKeyPublic = text(kem.getPublicKey().serialize());
  out.kyberPreKeySignature = text(kemSignature);
  secrets.kyberPreKeySecret = text(kem.getSecretKey().serialize());
  await x.kyberPreKeys.saveKyberPreKey(out.kyberPreKeyId,
    L.KyberPreKeyRecord.new(out.kyberPreKeyId, made, kem, kemSignature));
  if (p.lastResortKyber) x.kyberPreKeys.lastResort.add(out.kyberPreKeyId);

  return p.reveal ? { bundle: out, secrets } : { bundle: out };
}

function bundleOf(b) {
  return L.PreKeyBundle.new(
    b.registrationId, b.deviceId ?? 1,
    b.preKeyId ?? null, b.preKeyPublic ? curveKey(b.preKeyPublic) : null,
    b.signedPreKeyId, curveKey(b.signedPreKeyPublic), bytes(b.signedPreKeySignature), curveKey(b.identityKey),
    b.kyberPreKeyId, L.KEMPublicKey.deserialize(bytes(b.kyberPreKeyPublic)), bytes(b.kyberPreKeySignature));
}

async function processBundle(p) {
  const x = party(p.local);
  await L.processPreKeyBundle(bundleOf(p.bundle), address(p.remote), ...local(p, features.bundleLocal),
    x.sessions, x.identities, ...pq(p), time(p.now));
  return {};
}

async function encrypt(p) {
  const x = party(p.local);
  const m = await L.signalEncrypt(bytes(p.plaintext), address(p.remote), ...local(p, features.encLocal),
    x.sessions, x.identities, time(p.now));
  return { type: m.type(), body: text(m.serialize()) };
}

async function decrypt(p) {
  const x = party(p.local);
  const from = address(p.remote);
  if (p.type === 3) {
    return { plaintext: text(await L.signalDecryptPreKey(
      L.PreKeySignalMessage.deserialize(bytes(p.body)), from, ...local(p, features.decPreKeyLocal),
      x.sessions, x.identities, x.preKeys, x.signedPreKeys, x.kyberPreKeys, ...pq(p))) };
  }
  if (p.type !== 2) throw new Error(`unknown message type ${p.type}`);
  return { plaintext: text(await L.signalDecrypt(
    L.SignalMessage.deserialize(bytes(p.body)), from, ...local(p, features.decLocal), x.sessions, x.identities)) };
}

function exportSession(p) {
  const saved = party(p.local).sessions.saved.get(keyOf(address(p.remote)));
  return { session: saved ? text(saved) : null };
}

function importSession(p) {
  party(p.local).sessions.saved.set(keyOf(address(p.remote)), bytes(p.session));
  return {};
}

function deleteSession(p) {
  party(p.local).sessions.saved.delete(keyOf(address(p.remote)));
  return {};
}

async function archiveSession(p) {
  const { sessions } = party(p.local);
  const record = await sessions.getSession(address(p.remote));
  if (!record) throw new Error('no session');
  record.archiveCurrentState();
  await sessions.saveSession(address(p.remote), record);
  return {};
}

async function sessionInfo(p) {
  const record = await party(p.local).sessions.getSession(address(p.remote));
  if (!record) return { exists: false };
  return {
    exists: true, hasCurrentState: record.hasCurrentState(time(p.now)),
    localRegistrationId: record.localRegistrationId(), remoteRegistrationId: record.remoteRegistrationId(),
  };
}

function storeInfo(p) {
  const x = party(p.local);
  return {
    preKeys: [...x.preKeys.saved.keys()], signedPreKeys: [...x.signedPreKeys.saved.keys()],
    kyberPreKeys: [...x.kyberPreKeys.saved.keys()], kyberUsedLog: x.kyberPreKeys.log,
  };
}

function fingerprint(p) {
  const id = (s) => (p.idsBase64 ? bytes(s) : Buffer.from(s, 'utf8'));
  return L.Fingerprint.new(p.iterations ?? 5200, p.version ?? 2,
    id(p.localId), curveKey(p.localKey), id(p.remoteId), curveKey(p.remoteKey));
}

function safetyNumber(p) {
  const f = fingerprint(p);
  return { display: f.displayableFingerprint().toString(), scannable: text(f.scannableFingerprint().toBuffer()) };
}

function compareScannable(p) {
  return { same: fingerprint(p).scannableFingerprint().compare(L.ScannableFingerprint._fromBuffer(bytes(p.theirs))) };
}

function parse(p) {
  if (p.type === 3) {
    const m = L.PreKeySignalMessage.deserialize(bytes(p.body));
    return { preKeyId: m.preKeyId(), registrationId: m.registrationId(), signedPreKeyId: m.signedPreKeyId(), version: m.version() };
  }
  const m = L.SignalMessage.deserialize(bytes(p.body));
  return {
    counter: m.counter(), version: m.messageVersion(), body: text(m.body()),
    pqRatchet: m.pqRatchet ? text(m.pqRatchet()) : null,
  };
}

function keyPair(k) {
  return { private: text(k.serialize()), public: text(k.getPublicKey().serialize()) };
}

function kemGenerate() {
  const k = L.KEMKeyPair.generate();
  return { public: text(k.getPublicKey().serialize()), secret: text(k.getSecretKey().serialize()) };
}

export const commands = {
  hello: () => ({ libsignal: version, node: process.version, features }),
  exit: () => ({}), // the loop ends after the answer

  newIdentity, bundle, processBundle, encrypt, decrypt,
  exportSession, importSession, deleteSession, archiveSession, sessionInfo, storeInfo,
  safetyNumber, compareScannable, parse,

  generateKey: () => keyPair(L.PrivateKey.generate()),
  publicKey: (p) => ({ public: text(privateKey(p.private).getPublicKey().serialize()) }),
  sign: (p) => ({ signature: text(privateKey(p.private).sign(bytes(p.message))) }),
  verify: (p) => ({ valid: curveKey(p.public).verify(bytes(p.message), bytes(p.signature)) }),
  agree: (p) => ({ secret: text(privateKey(p.private).agree(curveKey(p.public))) }),
  kemGenerate,
  kemCheckPublic: (p) => ({ public: text(L.KEMPublicKey.deserialize(bytes(p.public)).serialize()) }),
};
