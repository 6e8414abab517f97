/** The way to Redis: its library where it is installed, a connection that was looked at, and what is wrong in our own words. */
import type { ConnectionOptions } from 'bullmq';
import type { Redis, RedisOptions } from 'ioredis';
import { DownhillError } from '../../../src/index.js';
import { readPlainText } from '../../../src/node/index.js';

/** Where a queue is, as the command line has it. */
export interface RedisPlace {
  /** redis://[user[:password]@]host[:port][/number], or rediss:// for TLS. */
  readonly url: string;
  /** File of the certificate authority, where the system does not know it. */
  readonly ca?: string;
}

const INSTALL = 'npm install bullmq@6.7.0 ioredis@6.0.0';
/** The password, where the address has none: an address stands in the list of processes. */
export const PASSWORD = 'DOWNHILL_REDIS_PASSWORD';
/** Nothing answered for so long. */
const CONNECT_MS = 10_000;

/** @throws DownhillError PEER-UNAVAILABLE */
export async function loadBull(): Promise<{ bull: typeof import('bullmq'); Redis: typeof Redis }> {
  try {
    const [bull, { Redis }] = await Promise.all([import('bullmq'), import('ioredis')]);
    return { bull, Redis };
  } catch (cause) {
    throw new DownhillError(
      'PEER-UNAVAILABLE',
      "A sweep on Redis needs the npm packages 'bullmq' and 'ioredis', which do not load.",
      `Run: ${INSTALL}; or leave out --redis: a sweep on one machine needs no queue.`,
      cause,
    );
  }
}

/** The address without its password, for messages. */
export function shownUrl(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.password = '';
    return parsed.href;
  } catch {
    return 'the address given';
  }
}

/** @throws DownhillError OPTION-RANGE */
export function redisOptions({ url, ca }: RedisPlace): RedisOptions {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new DownhillError('OPTION-RANGE', '--redis is no address.', 'Write --redis redis://127.0.0.1:6379.');
  }
  const number = parsed.pathname.replace(/^\//, '');
  if (!['redis:', 'rediss:'].includes(parsed.protocol) || parsed.hostname === '' || !/^\d*$/.test(number))
    throw new DownhillError(
      'OPTION-RANGE',
      `--redis must begin with redis:// or rediss:// and name a host, got ${shownUrl(url)}.`,
      'Write --redis redis://127.0.0.1:6379, or rediss:// for TLS.',
    );
  const password = decodeURIComponent(parsed.password) || process.env[PASSWORD];
  const username = decodeURIComponent(parsed.username);
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: Number(parsed.port) || 6379,
    ...(number !== '' && { db: Number(number) }),
    ...(username && { username }),
    ...(password && { password }),
    ...(parsed.protocol === 'rediss:' && { tls: ca === undefined ? {} : { ca: readCa(ca) } }),
    connectTimeout: CONNECT_MS,
  };
}

/** For BullMQ, whose workers wait for a Redis that is gone. */
export const bullConnection = (place: RedisPlace): ConnectionOptions =>
  ({ ...redisOptions(place), maxRetriesPerRequest: null }) as ConnectionOptions;

/** @throws DownhillError DATA-NOT-FOUND */
export function readCa(file: string): string {
  try {
    return readPlainText(file);
  } catch (cause) {
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `The certificate ${file} cannot be read: ${(cause as Error).message}.`,
      'Name the file of the certificate authority in PEM form.',
      cause,
    );
  }
}

/** What a connection failed by. */
export function connectionError(url: string, cause: unknown): DownhillError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const place = shownUrl(url);
  if (/WRONGPASS|NOAUTH|NOPERM|invalid password/i.test(message))
    return new DownhillError(
      'QUEUE-REFUSED',
      `Redis at ${place} refuses: ${message.replace(/\.$/, '')}.`,
      `Put user and password into the address, or the password into ${PASSWORD}.`,
      cause,
    );
  if (/CERT|SELF_SIGNED|ERR_TLS|UNABLE_TO_VERIFY|EPROTO|wrong version number/i.test(`${code} ${message}`))
    return new DownhillError(
      'QUEUE-REFUSED',
      `TLS with Redis at ${place} fails: ${code || message}.`,
      'Name the certificate of its authority with --ca FILE; redis:// is without TLS.',
      cause,
    );
  return new DownhillError(
    'QUEUE-UNREACHABLE',
    `Redis at ${place} does not answer: ${code || message}.`,
    'Start it (examples/sweep has a configuration), or leave out --redis: a sweep on one machine needs no queue.',
    cause,
  );
}

/**
 * A connection that works. What is lost later is tried again for ever: a worker outlives its Redis.
 *
 * @throws DownhillError QUEUE-UNREACHABLE, QUEUE-REFUSED
 */
export async function connect(place: RedisPlace): Promise<Redis> {
  const { Redis: Client } = await loadBull();
  const options = redisOptions(place);
  // First one that gives up, so that what is wrong is said at once.
  const probe = new Client({ ...options, lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  let heard: unknown;
  probe.on('error', (error) => {
    heard = error;
  });
  try {
    await probe.connect();
    await probe.ping();
  } catch (error) {
    throw connectionError(place.url, heard ?? error);
  } finally {
    probe.disconnect();
  }
  const client = new Client({ ...options, maxRetriesPerRequest: null });
  client.on('error', () => {}); // it reconnects; what waits for it goes on then
  return client;
}

/** What sweeps lean on. */
const LEAST = [6, 2];

/**
 * Looks at what a server is and how it is set.
 *
 * @returns what may lose a sweep, in words
 * @throws DownhillError QUEUE-UNSUITABLE
 */
export async function inspectServer(client: Redis, url: string): Promise<string[]> {
  const info = await client.info();
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const version = field('redis_version') ?? '0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const unsuitable = (what: string, fix: string) =>
    new DownhillError('QUEUE-UNSUITABLE', `Redis at ${shownUrl(url)} ${what}.`, fix);
  if (major < LEAST[0]! || (major === LEAST[0] && minor < LEAST[1]!))
    throw unsuitable(`is of version ${version}`, 'Use Redis 6.2 or later, or Valkey.');
  if (field('cluster_enabled') === '1' || field('redis_mode') === 'cluster')
    throw unsuitable('is a cluster, which spreads the keys of a sweep', 'Use a single server, or a sentinel.');
  const policy = field('maxmemory_policy');
  const warnings: string[] = [];
  if (policy && policy !== 'noeviction')
    warnings.push(`its maxmemory-policy is ${policy}: jobs may be evicted; set it to noeviction`);
  if (field('aof_enabled') === '0')
    warnings.push('it has no append-only file: a crash of its own loses results; set appendonly yes');
  return warnings;
}
