// What every part of the set-up needs: saying what happens, running programs, and knowing what this machine allows.
// Plain JavaScript on Node's built-ins: it runs before any package is installed.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import util from 'node:util';

/** The repository. Of no use in code that is also bundled into dist/ (lavapipe.mjs). */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The set-up cannot go on; `fix` says, line by line, what the user can do. */
export class SetupError extends Error {
  /** @param {string} message @param {string[]} fix */
  constructor(message, fix) {
    super(message);
    this.fix = fix;
  }
}

const colours = Boolean(process.stderr.isTTY) && !process.env.NO_COLOR && typeof util.styleText === 'function';
const paint = (/** @type {any} */ style, /** @type {string} */ text) => (colours ? util.styleText(style, text) : text);

/**
 * One line of progress, on stderr: stdout belongs to the command's own result.
 * @param {string} topic @param {string} text
 */
export function say(topic, text) {
  process.stderr.write(`${paint('cyan', topic.padEnd(9))} ${text}\n`);
}

/** @param {unknown} error The error that ended the set-up; one that is no SetupError keeps its stack. */
export function sayFailure(error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`${paint('red', 'setup     ')}${error.message}\n`);
  for (const line of error.fix) process.stderr.write(`          ${line}\n`);
}

/**
 * Runs a program to its end, out of sight.
 * @param {string} command @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, timeout?: number, shell?: boolean }} [options]
 * @returns {{ ok: boolean, stdout: string, lines: string[], tail: string[] }} lines: what it printed; tail: the last of it
 */
export function run(command, args, { env, ...options } = {}) {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 << 20,
    ...options,
  });
  // Ctrl-C reaches the program too; what it was doing is not to be retried another way.
  if (result.signal === 'SIGINT') process.exit(130);
  const printed = `${result.stdout ?? ''}\n${result.stderr ?? ''}\n${result.error?.message ?? ''}`;
  // Stacks are for whoever wrote the program, not for whoever runs it.
  const lines = util
    .stripVTControlCharacters(printed)
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line && !/^\s+at /.test(line));
  return { ok: result.status === 0, stdout: result.stdout ?? '', lines, tail: lines.slice(-6) };
}

/**
 * Runs npm, the one that started us where there is one.
 * @param {string[]} args @param {string} [cwd]
 */
export function npm(args, cwd = ROOT) {
  const script = process.env.npm_execpath;
  if (script?.endsWith('npm-cli.js')) return run(process.execPath, [script, ...args], { cwd });
  return process.platform === 'win32' ? run('npm.cmd', args, { cwd, shell: true }) : run('npm', args, { cwd });
}

const isRoot = () => process.getuid?.() === 0;

/** Whether Debian's packages can be installed here without asking anybody: apt, and root or sudo without a password. */
export function mayUseApt() {
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get')) return false;
  return isRoot() || run('sudo', ['-n', 'true']).ok;
}

/**
 * Runs a program as root.
 * @param {string} command @param {string[]} args
 */
export function asRoot(command, args) {
  return isRoot() ? run(command, args) : run('sudo', ['-n', command, ...args]);
}

/**
 * Installs Debian packages; call only where mayUseApt().
 * @param {string[]} packages @param {string} [suite] such as bookworm-backports
 */
export function aptInstall(packages, suite) {
  // A package list may be out of date in part and still be enough, so the install decides.
  asRoot('apt-get', ['update', '-qq']);
  const target = suite ? ['-t', suite] : [];
  return asRoot('env', ['DEBIAN_FRONTEND=noninteractive', 'apt-get', 'install', '-y', '-qq', ...target, ...packages]);
}

/** @param {string} file path under the root */
export const has = (file) => existsSync(path.join(ROOT, file));
