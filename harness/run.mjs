// Runs a TypeScript program of this repository: node harness/run.mjs harness/generate/main.ts [arguments]
// Vite (a development dependency anyway) compiles it; nothing is built or left behind.
import { resolve } from 'node:path';
import { runnerImport } from 'vite';

const [node = '', , file = '', ...args] = process.argv;
process.argv = [node, file, ...args];
const { module } = await runnerImport(resolve(file), { configFile: false, logLevel: 'error' });
if (module.main) process.exitCode = (await module.main(args)) ?? process.exitCode;
