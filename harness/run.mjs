// Runs a TypeScript program of this repository: node harness/run.mjs harness/generate/main.ts [arguments]
// Vite (a development dependency anyway) compiles it; nothing is built or left behind.
import { resolve } from 'node:path';
import { runnerImport } from 'vite';

const [node = '', , file = '', ...args] = process.argv;
process.argv = [node, file, ...args];
// The program runs inside an import, as Vite stops compiling after it: what main imports later has its turn, too.
const START = 'virtual:start';
const load = (/** @type {string} */ id) =>
  id === START
    ? `import * as program from ${JSON.stringify(resolve(file))};
       export const code = await program.main?.(${JSON.stringify(args)});`
    : undefined;
const plugins = [{ name: 'start', resolveId: (/** @type {string} */ id) => (id === START ? id : undefined), load }];
const { module } = await runnerImport(START, { configFile: false, logLevel: 'error', plugins });
process.exitCode = module.code ?? process.exitCode;
