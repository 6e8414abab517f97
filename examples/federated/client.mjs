// A client: trains the server's weights for K steps on samples of its own, and sends what that changed.
//   node client.mjs ws://127.0.0.1:8787 SEED
import { createTrainer, digits, sgd } from 'downhill';
import { requestDevice } from 'downhill/node';
import WebSocket from 'ws';
import { model, packed, unpacked, weightsOf } from './task.mjs';

const [address = 'ws://127.0.0.1:8787', seed = '1'] = process.argv.slice(2);
const SAMPLES = 300;
const LOCAL_STEPS = 20;

const device = await requestDevice();
const data = digits({ samples: SAMPLES, seed: Number(seed) });
const trainer = await createTrainer(device, { model, rule: sgd({ lr: 0.1 }), data, batchSize: 30, seed: Number(seed) });

const socket = new WebSocket(address);
socket.on('message', async (message) => {
  const { weights: before, metadata } = unpacked(new Uint8Array(message));
  await trainer.importWeights(packed(before, {}));
  for await (const _ of trainer.run({ steps: LOCAL_STEPS }));
  const after = await weightsOf(trainer);
  const update = new Map(
    [...after].map(([name, { shape, values }]) => {
      const old = before.get(name).values;
      return [name, { shape, values: values.map((value, i) => value - old[i]) }];
    }),
  );
  socket.send(packed(update, { round: metadata.get('round'), samples: String(SAMPLES) }));
});
socket.on('error', (error) => console.error(error.message));
socket.on('close', () => device.destroy());
