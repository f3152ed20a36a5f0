// Two parties of every pair of builds talk through peer.mjs, without ours: `npm test`. It fails when
// a pair does not do what its two versions say, and so tells a broken peer from a broken client.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./peer.mjs', import.meta.url));

class Peer {
  #next = 0;
  #waiting = new Map();
  constructor(build) {
    this.process = spawn(process.execPath, [script], {
      env: { ...process.env, LIBSIGNAL_MODULE: build }, stdio: ['pipe', 'pipe', 'inherit'],
    });
    createInterface({ input: this.process.stdout }).on('line', (line) => {
      const response = JSON.parse(line);
      this.#waiting.get(response.id)(response);
      this.#waiting.delete(response.id);
    });
  }
  async call(cmd, params = {}) {
    const id = ++this.#next;
    const response = await new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.process.stdin.write(JSON.stringify({ id, cmd, params }) + '\n');
    });
    if (!response.ok) throw new Error(`${cmd}: ${response.error.message}`);
    return response.result;
  }
  end() { this.process.stdin.end(); }
}

const alice = { name: '9d0652a3-dcc3-4d11-975f-74d61598733f', deviceId: 1 };
const bob = { name: '796abedb-ca4e-4f18-8803-1fde5b921f9f', deviceId: 2 };

async function talk(A, B) {
  await A.call('newIdentity', alice);
  await B.call('newIdentity', bob);
  const { bundle } = await B.call('bundle', bob);
  await A.call('processBundle', { local: alice, remote: bob, bundle });
  for (let i = 0; i < 6; i++) {
    const [from, to, local, remote] = i % 2 ? [B, A, bob, alice] : [A, B, alice, bob];
    const plaintext = Buffer.from(`message ${i}`).toString('base64');
    const message = await from.call('encrypt', { local, remote, plaintext });
    const opened = await to.call('decrypt', { local: remote, remote: local, ...message });
    if (opened.plaintext !== plaintext) throw new Error('plaintext differs');
  }
}

// What each build makes of SPQR: demands it, negotiates it, or goes without it.
const builds = { '@signalapp/libsignal-client': 'demands', 'libsignal-tolerant': 'negotiates', 'libsignal-nospqr': 'without' };

for (const [a, one] of Object.entries(builds)) {
  for (const [b, other] of Object.entries(builds)) {
    const [A, B] = [new Peer(a), new Peer(b)];
    const expected = [one, other].sort().join() !== 'demands,without';
    let works = true, why = '';
    const versions = `${(await A.call('hello')).libsignal} with ${(await B.call('hello')).libsignal}`;
    try {
      await talk(A, B);
    } catch (e) {
      works = false;
      why = e.message;
    }
    if (works !== expected) process.exitCode = 1;
    console.log(works === expected ? 'as expected' : 'UNEXPECTED', versions, works ? 'works' : `fails: ${why}`);
    A.end();
    B.end();
  }
}
