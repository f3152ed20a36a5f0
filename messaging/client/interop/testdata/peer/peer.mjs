// The counterpart of the interop tests: one request a line on stdin, one answer a line on stdout,
// strictly in order. README.md describes every command.

import { createInterface } from 'node:readline';
import { commands } from './commands.mjs';

async function answer(line) {
  let id = null;
  let cmd;
  try {
    const request = JSON.parse(line);
    id = request.id ?? null;
    cmd = request.cmd;
    if (!Object.hasOwn(commands, cmd)) throw new Error(`unknown command ${cmd}`);
    return { cmd, response: { id, ok: true, result: await commands[cmd](request.params ?? {}) } };
  } catch (e) {
    const error = {
      name: e?.name ?? 'Error', code: e?.code ?? null, operation: e?.operation ?? null, message: String(e?.message ?? e),
    };
    return { cmd: null, response: { id, ok: false, error } };
  }
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (!line.trim()) continue;
  const { cmd, response } = await answer(line);
  process.stdout.write(JSON.stringify(response) + '\n');
  if (cmd === 'exit') break;
}
process.stdin.destroy();
