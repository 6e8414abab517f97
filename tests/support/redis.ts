/** A Redis of a test's own: on a loopback port nobody else has, with a password, in a folder that goes with it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NAMES = ['redis-server', 'valkey-server'];

function found(): string | undefined {
  return NAMES.find((name) => {
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

/** The server's program; undefined where none is installed. */
export const REDIS = found();

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface RedisOptions {
  readonly tls?: boolean;
  /** Lines of the configuration. */
  readonly more?: readonly string[];
}

export class TestRedis {
  #process: ChildProcess | undefined;
  readonly password = randomBytes(12).toString('hex');

  private constructor(
    readonly folder: string,
    readonly port: number,
    readonly tls: boolean,
  ) {}

  static async start({ tls = false, more = [] }: RedisOptions = {}): Promise<TestRedis> {
    const folder = mkdtempSync(join(tmpdir(), 'downhill-redis-'));
    const redis = new TestRedis(folder, await freePort(), tls);
    if (tls) redis.#certificate();
    const lines = [
      'bind 127.0.0.1',
      tls ? 'port 0' : `port ${redis.port}`,
      ...(tls ? [`tls-port ${redis.port}`, `tls-cert-file ${folder}/cert.pem`, `tls-key-file ${folder}/key.pem`] : []),
      ...(tls ? [`tls-ca-cert-file ${folder}/cert.pem`, 'tls-auth-clients no'] : []),
      `requirepass ${redis.password}`,
      `dir ${folder}`,
      'appendonly yes',
      'appendfsync everysec',
      'maxmemory-policy noeviction',
      ...more,
    ];
    writeFileSync(join(folder, 'redis.conf'), `${lines.join('\n')}\n`);
    await redis.run();
    return redis;
  }

  /** The file of its certificate, which is its own authority. */
  get ca(): string {
    return join(this.folder, 'cert.pem');
  }

  url(password = this.password): string {
    return `${this.tls ? 'rediss' : 'redis'}://:${password}@127.0.0.1:${this.port}`;
  }

  #certificate(): void {
    const out = ['-keyout', join(this.folder, 'key.pem'), '-out', this.ca, '-days', '2', '-nodes'];
    const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', ...out, ...name], { stdio: 'ignore' });
  }

  /** Starts it, or starts it again with what it kept. */
  async run(): Promise<void> {
    const server = spawn(REDIS!, [join(this.folder, 'redis.conf')], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = server;
    let said = '';
    await new Promise<void>((resolve, reject) => {
      const hear = (text: Buffer) => {
        said += text.toString();
        if (/Ready to accept connections/i.test(said)) resolve();
      };
      server.stdout.on('data', hear);
      server.stderr.on('data', hear);
      server.once('exit', (code) => reject(new Error(`Redis ended with ${code}: ${said.slice(-500)}`)));
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#process!.kill(name);
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const server = this.#process!;
    if (server.exitCode !== null || server.signalCode !== null) return;
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGCONT');
    server.kill(signal);
    await gone;
  }

  async destroy(): Promise<void> {
    await this.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
