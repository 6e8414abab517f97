import { expect } from 'vitest';
import type { OpenPage } from './page.js';

/* What the page's main thread does, by Chromium's own trace: what the page itself can see of its tasks is their time on the
 * wall, in which the rest of the machine has its part. */

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  /** Microseconds: on the wall, and of the thread's own. */
  readonly dur?: number;
  readonly tdur?: number;
}

/** A frame of the page may wait so many milliseconds. */
const LONG_MS = 50;
/** What a task is made of is said from here on. */
const PART_MS = 5;
const MARK = 'downhill-traced';

/**
 * Tasks of the page's main thread that took more than 50 ms of its own time while `action` went on, each with what it was made of:
 * what others take of the processor is not its fault.
 */
async function longTasks({ page }: OpenPage, action: () => Promise<unknown>): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  const events: TraceEvent[] = [];
  session.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  await session.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: ['toplevel', 'devtools.timeline', 'blink.user_timing'] },
  });
  await page.evaluate((mark) => performance.mark(mark), MARK);
  await action();
  const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
  await session.send('Tracing.end');
  await complete;
  // The browser has other renderers than the page's, such as that of its new tab.
  const { pid, tid } = events.find(({ name }) => name === MARK)!;
  const own = events.filter((event) => event.pid === pid && event.tid === tid && event.dur !== undefined);
  const tasks = own.filter(({ name }) => name.endsWith('RunTask'));
  expect(tasks.length).toBeGreaterThan(100);
  const long = tasks.filter(
    (task, i) => milliseconds(task) > LONG_MS && !tasks.some((other, j) => j !== i && holds(other, task)),
  );
  return long.map((task) => {
    const parts = own.filter((event) => event !== task && holds(task, event) && milliseconds(event) > PART_MS);
    const words = parts.map((event) => `${event.name} ${milliseconds(event).toFixed(0)}`);
    return `${milliseconds(task).toFixed(0)} ms: ${words.join(', ')}`;
  });
}

/** Fails where the page was held up for longer than a frame may wait, or complained. */
export async function nothingLong(opened: OpenPage, action: () => Promise<unknown>): Promise<void> {
  expect(await longTasks(opened, action)).toEqual([]);
  expect(opened.complaints).toEqual([]);
}

const milliseconds = ({ tdur = 0 }: TraceEvent): number => tdur / 1000;

/** Whether one lies in the other: a task may be seen by two layers of the browser. */
const holds = (outer: TraceEvent, inner: TraceEvent): boolean =>
  outer.ts <= inner.ts && inner.ts + inner.dur! <= outer.ts + outer.dur! && outer.dur! > inner.dur!;
