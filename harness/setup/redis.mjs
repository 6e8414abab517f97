// Installs redis-server (Debian, Ubuntu; root or sudo without a password) for the tests of sweeps, which start one of their own.
//
//   node harness/setup/redis.mjs
import { pathToFileURL } from 'node:url';
import { aptInstall, mayUseApt, run, say } from './system.mjs';

const SERVERS = ['redis-server', 'valkey-server'];

const installed = () => SERVERS.find((name) => run(name, ['--version']).ok);

/** @returns {boolean} whether a server's program is there in the end */
export function ensureRedis() {
  if (installed()) return true;
  if (!mayUseApt()) {
    say('redis', 'it cannot be installed from here: apt-get install redis-server');
    return false;
  }
  say('redis', 'installing redis-server (apt-get install)');
  const { tail } = aptInstall(['redis-server']);
  if (installed()) return true;
  for (const line of tail) say('redis', line);
  return false;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href && !ensureRedis()) process.exitCode = 1;
