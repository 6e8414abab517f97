// Federated averaging: sends weights, takes what clients changed of them, averages. It never sees their samples.
//   npm install downhill webgpu ws
//   node server.mjs [clients to wait for] [rounds]     then, in other terminals: node client.mjs ws://127.0.0.1:PORT SEED
import { createTrainer, digits, sgd } from 'downhill';
import { requestDevice } from 'downhill/node';
import { WebSocketServer } from 'ws';
import { createAverage } from './average.mjs';
import { model, packed, unpacked, weightsOf } from './task.mjs';

const [wanted = 3, rounds = 10] = process.argv.slice(2).map(Number);
const port = Number(process.env.PORT ?? 8787);
const ROUND_MS = Number(process.env.ROUND_MS ?? 20_000); // who is later is left out of the round
const MAX_NORM = 5; // of an update over all tensors: one client moves the average so far and no further
const MAX_SAMPLES = 10_000; // a client says itself how many it has: it must not outweigh all others

const device = await requestDevice();
const test = digits({ samples: 500, seed: 99 });
const trainer = await createTrainer(device, { model, rule: sgd({ lr: 0.1 }), data: test, batchSize: 50 });
let weights = await weightsOf(trainer);
const average = await createAverage(device, weights, { maxNorm: MAX_NORM });

/** What a client sent is of a stranger. @returns its update, or the reason against it */
function checked(bytes, round) {
  try {
    const { weights: update, metadata } = unpacked(bytes);
    if (metadata.get('round') !== String(round)) return 'it is of another round';
    const samples = Number(metadata.get('samples'));
    if (!Number.isSafeInteger(samples) || samples < 1) return 'it has no number of samples';
    if (update.size !== weights.size) return 'it has other tensors';
    for (const [name, { shape }] of weights) {
      const own = update.get(name);
      if (String(own?.shape) !== String(shape)) return `${name} is of another shape`;
      if (!own.values.every(Number.isFinite)) return `${name} is not finite`;
    }
    return { update, samples: Math.min(samples, MAX_SAMPLES) };
  } catch (error) {
    return error.message;
  }
}

const server = new WebSocketServer({ host: '127.0.0.1', port, maxPayload: 4 * 2 ** 20 });
await new Promise((resolve) => server.once('listening', resolve));
console.log(`waiting for ${wanted} clients at ws://127.0.0.1:${server.address().port}`);
let [take, leave] = [() => {}, () => {}]; // of the round that runs
await new Promise((resolve) => {
  server.on('connection', (client) => {
    client.on('error', () => client.terminate()); // such as a message that is too long
    client.on('close', () => leave(client));
    client.on('message', (bytes) => take(client, new Uint8Array(bytes)));
    if (server.clients.size >= wanted) resolve();
  });
});

for (let round = 1; round <= rounds; round++) {
  const asked = new Set(server.clients);
  const updates = [];
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, ROUND_MS);
    const done = (client) => {
      asked.delete(client);
      if (asked.size > 0) return;
      clearTimeout(timer);
      resolve();
    };
    take = (client, bytes) => {
      if (!asked.has(client)) return; // late, or twice
      const result = checked(bytes, round);
      if (typeof result === 'string') {
        console.log(`round ${round}: an update is refused: ${result}`);
        if (result !== 'it is of another round') client.close(1008, 'the update is refused');
        else return;
      } else updates.push(result);
      done(client);
    };
    const message = packed(weights, { round: String(round) });
    leave = done;
    for (const client of asked) client.send(message);
    if (asked.size === 0) done();
  });
  average.add(updates);
  weights = await average.read();
  await trainer.importWeights(packed(weights, {}));
  const { accuracy, loss } = await trainer.evaluate(test);
  console.log(
    `round ${round}: ${updates.length} updates, ${asked.size} late, accuracy ${accuracy.toFixed(3)}, loss ${loss.toFixed(3)}`,
  );
}
for (const client of server.clients) client.close(1000, 'done');
server.close();
device.destroy();
