// A look into the queues of sweeps, which can change nothing: bull-board in its read-only mode, behind a password.
//
//   npm install bullmq@6.7.0 ioredis@6.0.0 @bull-board/api@9.10.2 @bull-board/express@9.10.1 express@5.3.0
//   BOARD_PASSWORD=… DOWNHILL_REDIS=redis://sweep@127.0.0.1:6379 DOWNHILL_REDIS_PASSWORD=… node board.mjs
import { createHash, timingSafeEqual } from 'node:crypto';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { Queue } from 'bullmq';
import express from 'express';
import { Redis } from 'ioredis';

const {
  BOARD_PASSWORD,
  BOARD_HOST = '127.0.0.1',
  BOARD_PORT = '3000',
  DOWNHILL_REDIS,
  DOWNHILL_REDIS_PASSWORD,
} = process.env;
if (!BOARD_PASSWORD || !DOWNHILL_REDIS) {
  console.error('Set BOARD_PASSWORD, DOWNHILL_REDIS and DOWNHILL_REDIS_PASSWORD.');
  process.exit(2);
}

const url = new URL(DOWNHILL_REDIS);
if (DOWNHILL_REDIS_PASSWORD) url.password = DOWNHILL_REDIS_PASSWORD; // the address stands in the list of processes
const connection = new Redis(url.href, { maxRetriesPerRequest: null });
const names = await connection.smembers('downhill:sweeps'); // those there are now: start it again for new ones
const queues = names.sort().map((name) => {
  const queue = new Queue(`sweep-${name}`, { connection, prefix: 'downhill', skipVersionCheck: true });
  return new BullMQAdapter(queue, { readOnlyMode: true });
});
const serverAdapter = new ExpressAdapter();
createBullBoard({ queues, serverAdapter });

const digest = (text) => createHash('sha256').update(text).digest();
const wanted = digest(`board:${BOARD_PASSWORD}`);

const app = express();
app.use((request, response, next) => {
  const [kind, base64 = ''] = (request.headers.authorization ?? '').split(' ');
  const given = digest(Buffer.from(base64, 'base64').toString());
  if (kind === 'Basic' && timingSafeEqual(given, wanted)) next();
  else response.set('WWW-Authenticate', 'Basic realm="sweeps"').status(401).end();
});
app.use(serverAdapter.getRouter());
app.listen(Number(BOARD_PORT), BOARD_HOST, () => {
  console.log(`http://${BOARD_HOST}:${BOARD_PORT} shows ${names.length} sweeps; user board`);
});
