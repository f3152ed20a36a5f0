// The stores that Signal's library asks its caller for, in memory. Records are kept serialized, so
// that nothing is shared between a saved record and one in use.

import { L } from './library.mjs';

export const keyOf = (address) => `${address.name()}.${address.deviceId()}`;

// saved is a map from an id to a serialized record of one class.
class Saved extends Map {
  constructor(kind, Record) {
    super();
    this.kind = kind;
    this.Record = Record;
  }
  put(id, record) {
    this.set(id, Buffer.from(record.serialize()));
  }
  load(id) {
    if (!this.has(id)) throw new Error(`${this.kind} ${id} not found`);
    return this.Record.deserialize(this.get(id));
  }
}

export class Sessions extends L.SessionStore {
  saved = new Saved('session', L.SessionRecord);
  async saveSession(address, record) { this.saved.put(keyOf(address), record); }
  async getSession(address) { return this.saved.has(keyOf(address)) ? this.saved.load(keyOf(address)) : null; }
  async getExistingSessions(addresses) { return addresses.map((a) => this.saved.load(keyOf(a))); }
}

// Identities trusts the first identity key that it meets at an address, and no other after it
// unless trustChanges is set.
export class Identities extends L.IdentityKeyStore {
  known = new Map();
  constructor(identity, registrationId, trustChanges) {
    super();
    this.identity = identity;
    this.registrationId = registrationId;
    this.trustChanges = trustChanges;
  }
  async getIdentityKey() { return this.identity; }
  async getIdentityKeyPair() { return new L.IdentityKeyPair(this.identity.getPublicKey(), this.identity); }
  async getLocalRegistrationId() { return this.registrationId; }
  async saveIdentity(address, key) {
    const text = Buffer.from(key.serialize()).toString('hex');
    const before = this.known.get(keyOf(address));
    this.known.set(keyOf(address), text);
    const changed = before !== undefined && before !== text;
    // A boolean up to 0.69, an enum since.
    if (!L.IdentityChange) return changed;
    return changed ? L.IdentityChange.ReplacedExisting : L.IdentityChange.NewOrUnchanged;
  }
  async isTrustedIdentity(address, key) {
    const before = this.known.get(keyOf(address));
    return this.trustChanges || before === undefined || before === Buffer.from(key.serialize()).toString('hex');
  }
  async getIdentity(address) {
    const text = this.known.get(keyOf(address));
    return text ? L.PublicKey.deserialize(Buffer.from(text, 'hex')) : null;
  }
}

export class PreKeys extends L.PreKeyStore {
  saved = new Saved('prekey', L.PreKeyRecord);
  async savePreKey(id, record) { this.saved.put(id, record); }
  async getPreKey(id) { return this.saved.load(id); }
  async removePreKey(id) { this.saved.delete(id); }
}

export class SignedPreKeys extends L.SignedPreKeyStore {
  saved = new Saved('signed prekey', L.SignedPreKeyRecord);
  async saveSignedPreKey(id, record) { this.saved.put(id, record); }
  async getSignedPreKey(id) { return this.saved.load(id); }
}

export class KyberPreKeys extends L.KyberPreKeyStore {
  saved = new Saved('kyber prekey', L.KyberPreKeyRecord);
  lastResort = new Set();
  used = new Set();
  log = [];
  async saveKyberPreKey(id, record) { this.saved.put(id, record); }
  async getKyberPreKey(id) { return this.saved.load(id); }
  // Up to 0.80 only the first argument is passed.
  async markKyberPreKeyUsed(id, signedId, baseKey) {
    this.log.push({ id, signedId: signedId ?? null });
    if (!this.lastResort.has(id)) {
      this.saved.delete(id);
      return;
    }
    if (!baseKey) return;
    const use = `${id}:${signedId}:${Buffer.from(baseKey.serialize()).toString('hex')}`;
    if (this.used.has(use)) throw new Error('base key reused with a last-resort kyber prekey');
    this.used.add(use);
  }
}
