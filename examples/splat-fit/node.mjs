// node examples/splat-fit/node.mjs [splats to time the update of]
import { requestDevice } from 'downhill/node';
import { createFit } from './fit.js';
import { timeUpdate } from './measure.js';
import { drawnPicture } from './plan.js';

const device = await requestDevice();
const fit = await createFit(device, { target: drawnPicture(64, 64), count: 200, room: 400, steps: 600 });
while (fit.steps < 600) {
  const encoder = device.createCommandEncoder();
  await fit.frame(encoder);
  device.queue.submit([encoder.finish()]);
  if (fit.steps % 100 === 0)
    console.log(`step ${fit.steps}: ${fit.count} splats, ${(await fit.look()).psnr.toFixed(2)} dB`);
}
fit.destroy();

const count = Number(process.argv[2] ?? 100_000);
const masks = {
  'without a mask': undefined,
  'all in sight': new Uint32Array(count).fill(1),
  'a quarter, together': Uint32Array.from({ length: count }, (_, i) => Number(i < count / 4)),
  'a quarter, scattered': Uint32Array.from({ length: count }, (_, i) => Number((i * 2654435761) % 2 ** 32 < 2 ** 30)),
  'none in sight': new Uint32Array(count),
};
console.log(`an update of ${count} splats on ${device.adapterInfo?.description || device.adapterInfo?.vendor}:`);
for (const [name, seen] of Object.entries(masks))
  console.log(`  ${name}: ${(await timeUpdate(device, { count, seen })).toFixed(2)} ms`);
