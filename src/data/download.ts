import { DownhillError } from '../gpu/errors.js';
import { formatBytes } from './load.js';
import { Silence } from './silence.js';

/*
 * One file from whichever mirror gives it whole: resumed where it broke off, and never taken with another checksum. Only
 * `fetch` and Web Crypto, so that it runs wherever the library does; where a part is kept between runs is the caller's.
 */

/** A file of which size and checksum are known beforehand. */
export interface KnownFile {
  readonly name: string;
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** What there is of a file, and where it came from. */
export interface Part {
  readonly bytes: Uint8Array;
  readonly from: PartOrigin;
}

export interface PartOrigin {
  readonly url: string;
  /** The server's strong ETag, where it gave one. */
  readonly tag?: string;
}

/** Keeps the beginning of a file for the next try. */
export interface PartStore {
  read(): Promise<Part | undefined>;
  /** Forgets what there is. */
  begin(from: PartOrigin): Promise<void>;
  append(bytes: Uint8Array): Promise<void>;
}

export interface DownloadOptions {
  readonly file: KnownFile;
  /** Addresses of the same file, in the order in which they are tried. */
  readonly urls: readonly string[];
  /** Default: a broken download is resumed within this call only. */
  readonly store?: PartStore;
  readonly signal?: AbortSignal;
  /** Longest that a server may send nothing, or less than 1 KiB a second, in milliseconds. */
  readonly silenceMs: number;
  /** Called with the bytes that there are, and the host they come from. */
  readonly progress?: (received: number, host: string) => void;
  /** What to do when no mirror has it. */
  readonly fix: string;
}

/** Times that one mirror may break off, if each time it sent something. */
const MOST_RESUMES = 5;

/**
 * @throws DownhillError DATA-NOT-FOUND with what became of every mirror; the signal's reason when it is aborted. What was
 *   received by then stays in the store.
 */
export async function download(options: DownloadOptions): Promise<Uint8Array<ArrayBuffer>> {
  const { file, urls, signal, fix } = options;
  const transfer = new Transfer(options);
  await transfer.open();
  const reasons: string[] = [];
  for (const url of urls) {
    const reason = await transfer.from(url);
    signal?.throwIfAborted();
    if (reason === undefined) return transfer.bytes;
    reasons.push(`${url} ${reason}`);
  }
  const what = `${file.name} (${formatBytes(file.bytes)}) could not be downloaded`;
  throw new DownhillError('DATA-NOT-FOUND', `${what}: ${reasons.join('; ')}.`, fix);
}

/** Why a request did not bring the rest, and whether asking the same server again may. */
interface Trouble {
  readonly reason: string;
  /** 'resume': it broke off. 'restart': what there was does not go with what the server has. 'leave': the next mirror. */
  readonly next: 'resume' | 'restart' | 'leave';
}

class Transfer {
  /** The whole file; `#at` of it is there. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #options: DownloadOptions;
  #at = 0;
  #from: PartOrigin | undefined;

  constructor(options: DownloadOptions) {
    this.#options = options;
    this.bytes = new Uint8Array(options.file.bytes);
  }

  /** Takes up what an earlier run left. */
  async open(): Promise<void> {
    const part = await this.#options.store?.read();
    if (!part || part.bytes.length > this.bytes.length) return;
    this.bytes.set(part.bytes);
    this.#at = part.bytes.length;
    this.#from = part.from;
  }

  /** @returns why this mirror does not give the file; undefined when it is there and right */
  async from(url: string): Promise<string | undefined> {
    let restarted = false;
    let fruitless = 0;
    for (let resumes = 0; ; ) {
      const before = this.#at;
      const trouble = before === this.bytes.length ? undefined : await this.#request(url);
      if (this.#options.signal?.aborted) return 'was not waited for';
      if (!trouble) {
        const found = await sha256(this.bytes);
        if (found === this.#options.file.sha256) return undefined;
        // Of two halves from different times nobody knows which is wrong: once from the beginning, then the next mirror.
        this.#at = 0;
        if (before === 0 || restarted) return `sends another file (SHA-256 ${found.slice(0, 12)}…)`;
        restarted = true;
        continue;
      }
      const { reason, next } = trouble;
      if (next === 'restart') this.#at = 0;
      if (next === 'leave' || (next === 'restart' && restarted)) return reason;
      if (next === 'restart') restarted = true;
      // A connection that was kept from the file before may have been closed meanwhile: that once proves nothing.
      else if ((this.#at <= before && (reason !== BROKE || ++fruitless > 1)) || ++resumes > MOST_RESUMES)
        return reason === BROKE ? `${reason} after ${formatBytes(this.#at)}` : reason;
    }
  }

  /** One request for what is missing. */
  async #request(url: string): Promise<Trouble | undefined> {
    const { signal, silenceMs } = this.#options;
    const controller = new AbortController();
    const stop = () => controller.abort(signal?.reason);
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    const silence = new Silence(silenceMs, () => controller.abort());
    try {
      const response = await fetch(url, { headers: this.#headers(url), signal: controller.signal });
      silence.heard();
      const trouble = await this.#accept(url, response);
      return trouble ?? (await this.#receive(url, response, silence));
    } catch (error) {
      if (error instanceof DownhillError) throw error; // of the store
      if (!silence.words) return { reason: failure(error), next: 'resume' };
      // Where a connection hangs another one may not; a server that is slow is slow again.
      const next = silence.slow ? 'leave' : 'resume';
      return { reason: `${silence.words}, after ${formatBytes(this.#at)}`, next };
    } finally {
      silence.end();
      signal?.removeEventListener('abort', stop);
      controller.abort(); // frees the connection of a body that is not wanted
    }
  }

  #headers(url: string): Record<string, string> {
    // Compressed on the way, it would have another length than what is resumed; browsers leave this one to themselves.
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (this.#at > 0) headers.range = `bytes=${this.#at}-`;
    // From another mirror it is the same file, or the checksum tells.
    if (this.#at > 0 && this.#from?.url === url && this.#from.tag) headers['if-range'] = this.#from.tag;
    return headers;
  }

  /** Looks at the head of an answer, and makes ready for its body. */
  async #accept(url: string, { status, statusText, ok, headers }: Response): Promise<Trouble | undefined> {
    const size = this.bytes.length;
    if (status === 416 && this.#at > 0) return { reason: 'has no such range', next: 'restart' };
    if (!ok) return { reason: `answers with HTTP status ${`${status} ${statusText}`.trim()}`, next: 'leave' };
    const type = headers.get('content-type') ?? '';
    if (/html|xml/.test(type)) return { reason: `answers with a page (content-type ${type})`, next: 'leave' };
    const part = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
    if (status === 206) {
      if (this.#at === 0) return { reason: 'sends a range that nobody asked for', next: 'leave' };
      if (!part || Number(part[1]) !== this.#at) return { reason: 'sends another range', next: 'restart' };
      if (part[2] === '*' || Number(part[2]) === size) return undefined;
    }
    // An encoded body says the length of its code.
    const length = headers.has('content-encoding') ? null : headers.get('content-length');
    const whole = status === 206 ? part![2] : length;
    if (whole && Number(whole) !== size)
      return { reason: `has a file of ${formatBytes(Number(whole))}`, next: this.#at > 0 ? 'restart' : 'leave' };
    // The whole file: the server does not know ranges, or its file is another one than that of the part.
    this.#at = 0;
    const tag = headers.get('etag');
    this.#from = tag && !tag.startsWith('W/') ? { url, tag } : { url };
    await this.#options.store?.begin(this.#from);
    return undefined;
  }

  async #receive(url: string, { body }: Response, silence: Silence): Promise<Trouble | undefined> {
    const { store, progress } = this.#options;
    const { host } = new URL(url);
    const reader = body?.getReader();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done) break;
      silence.heard(value.length);
      if (this.#at + value.length > this.bytes.length) {
        this.#at = 0;
        return { reason: `sends more than ${formatBytes(this.bytes.length)}`, next: 'leave' };
      }
      this.bytes.set(value, this.#at);
      this.#at += value.length;
      await store?.append(value);
      progress?.(this.#at, host);
    }
    if (this.#at === this.bytes.length) return undefined;
    return { reason: `ended after ${formatBytes(this.#at)}`, next: 'resume' };
  }
}

/** SHA-256 in hexadecimal. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const BROKE = 'broke off';
/** What the codes of Node's `fetch` mean; browsers keep the cause to themselves. */
const CAUSES: Readonly<Record<string, string>> = {
  ENOTFOUND: 'is not known to the name server',
  EAI_AGAIN: 'cannot be looked up: there is no network',
  ECONNREFUSED: 'refuses connections',
  ECONNRESET: BROKE,
  ENETUNREACH: 'cannot be reached: there is no network',
  EHOSTUNREACH: 'cannot be reached',
  ETIMEDOUT: 'did not answer',
  UND_ERR_CONNECT_TIMEOUT: 'did not answer',
  UND_ERR_SOCKET: BROKE,
};

function failure(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { code?: string; message?: string } };
  return CAUSES[cause?.code ?? ''] ?? `failed (${cause?.message || cause?.code || message || error})`;
}
