// Loads the build of Signal's library that LIBSIGNAL_MODULE names (a package name or a folder) and
// says in which ways its functions differ from those of other releases.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const name = process.env.LIBSIGNAL_MODULE || '@signalapp/libsignal-client';

function locate() {
  if (existsSync(join(name, 'package.json'))) {
    const version = JSON.parse(readFileSync(join(name, 'package.json'), 'utf8')).version;
    return { url: pathToFileURL(join(name, 'dist', 'index.js')).href, version };
  }
  return { url: name, version: createRequire(import.meta.url)(`${name}/package.json`).version };
}

const { url, version } = locate();
export { version };
export const L = await import(url);

// Parameters were added over the releases. The number that a function declares tells which it takes.
export const features = {
  usePqFlag: Boolean(L.UsePQRatchet), // 0.74 to 0.82: the caller decides on SPQR
  encLocal: L.signalEncrypt.length >= 5, // 0.91 and later: the local address is passed too
  decLocal: L.signalDecrypt.length >= 5,
  decPreKeyLocal: !L.UsePQRatchet && L.signalDecryptPreKey.length >= 8,
  bundleLocal: !L.UsePQRatchet && L.processPreKeyBundle.length >= 5,
};

if (process.env.LIBSIGNAL_LOG) {
  L.initLogger(L.LogLevel.Trace, (level, target, _file, _line, text) =>
    process.stderr.write(`[${level}] ${target}: ${text}\n`));
}
