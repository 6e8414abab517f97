import { problemOf as wordsOf } from '../shell/problem.js';
import { type ArrowsJob, arrowsOf } from './arrows.js';
import { fieldOf, paint, type ShadeJob } from './shade.js';
import { type WaysJob, waysOf } from './ways.js';

/* What takes longer than a frame: the page goes on while a worker does it. The latest of each kind of job is done, others are dropped. */

export type Job =
  | { readonly kind: 'ways'; readonly job: WaysJob }
  | { readonly kind: 'shade'; readonly job: ShadeJob }
  | { readonly kind: 'arrows'; readonly job: ArrowsJob };

let latest = 0;
const channel = new MessageChannel();
/** Jobs that wait for their turn: one that is to be dropped beside the latest. */
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();

/** Lets messages come in that were sent meanwhile. */
const breathe = () =>
  new Promise<void>((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(undefined);
  });

self.addEventListener('message', async ({ data: { id, kind, job } }: MessageEvent<{ id: number } & Job>) => {
  latest = id;
  try {
    if (kind === 'shade') {
      const pixels = paint(fieldOf(job.ground, job.frame), job.frame, job.colours);
      self.postMessage({ id, done: pixels }, { transfer: [pixels.buffer] });
      return;
    }
    if (kind === 'arrows') {
      self.postMessage({ id, done: arrowsOf(job) });
      return;
    }
    const done = await waysOf(job, async () => {
      await breathe();
      return latest !== id;
    });
    self.postMessage({ id, done });
  } catch (error) {
    self.postMessage({ id, failed: wordsOf(error) }); // an error of our own would arrive as a plain one
  }
});
