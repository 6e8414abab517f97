// A thread that watches the one of the campaigns: what computes there for ever, by a loop or by microtasks alone, holds up
// the bound of its campaign, Ctrl+C and CI, and nothing on that thread can say so. Says where it is, and ends the process: what
// that thread started and would take with it stays. A breakpoint counts as computing.
import { writeSync } from 'node:fs';
import { Session } from 'node:inspector';
import { parentPort, workerData } from 'node:worker_threads';

/** @type {{ seconds: number }} how long nothing may be heard of it */
const { seconds } = workerData;
const FRAMES = 8;
const STDERR = 2;

let at = '';
let silent = 0;
parentPort?.on('message', (/** @type {{ at?: string }} */ message) => {
  // Only a timer's turn is a sign of life: a loop posts what begins as well.
  if (message.at === undefined) silent = 0;
  else at = message.at;
});
// Counted, not measured: a machine that slept was not busy.
setInterval(() => {
  if (++silent === seconds) stuck();
}, 1000);

function stuck() {
  const end = () => process.kill(process.pid, 'SIGKILL');
  // Whatever else goes wrong here, and where no JavaScript goes on that could be looked at, such as in a driver's call.
  setTimeout(end, 2000);
  say(`\n  It went on for ${seconds} s without giving way:\n    ${at}\n`);
  const session = new Session();
  session.connectToMainThread();
  const scripts = new Map();
  session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params.url));
  session.on('Debugger.paused', ({ params: { callFrames } }) => {
    // Lines are those of what Vite made of the file.
    for (const { functionName, location } of callFrames.slice(0, FRAMES))
      say(`    at ${functionName || '(anonymous)'} (${scripts.get(location.scriptId)}:${location.lineNumber + 1})\n`);
    end();
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
}

function say(/** @type {string} */ text) {
  try {
    writeSync(STDERR, text);
  } catch {
    // Nobody reads it any more.
  }
}
