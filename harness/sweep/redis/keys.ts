/** The names of everything a sweep has in Redis: one prefix, so that one line of an ACL allows it and nothing else. */
export const PREFIX = 'downhill';

export const queueName = (sweep: string): string => `sweep-${sweep}`;
export const jobId = (pack: number): string => `pack-${pack}`;

const key = (sweep: string, part: string) => `${PREFIX}:${queueName(sweep)}:x-${part}`;
/** The sweep itself, as JSON. */
export const specKey = (sweep: string): string => key(sweep, 'spec');
/** Its results as JSON, in the order they came. */
export const resultsKey = (sweep: string): string => key(sweep, 'results');
/** Which tasks have one. */
export const doneKey = (sweep: string): string => key(sweep, 'done');
/** There where it was cancelled. */
export const cancelKey = (sweep: string): string => key(sweep, 'cancelled');
/** The lock that a worker holds of a job, as BullMQ calls it. */
export const lockKey = (sweep: string, job: string): string => `${PREFIX}:${queueName(sweep)}:${job}:lock`;
/** Channel on which cancelled trials are told. */
export const newsChannel = (sweep: string): string => key(sweep, 'news');
/** Every sweep there is. */
export const SWEEPS = `${PREFIX}:sweeps`;
