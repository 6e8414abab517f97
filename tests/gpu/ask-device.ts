/** A program for node-device.test.ts: asks for a device in a process of its own and prints one line of JSON. */
import { DownhillError } from '../../src/gpu/errors.js';
import { requestDevice, requestGpu } from '../../src/node/index.js';

try {
  const { driver } = await requestGpu();
  const device = await requestDevice();
  const calm = Object.getPrototypeOf(device) !== GPUDevice.prototype;
  console.log(JSON.stringify({ driver, description: device.adapterInfo.description, calm }));
  // Nobody waits for these: the first is done, the second is rejected when the device goes, and the process ends.
  void device.queue.onSubmittedWorkDone();
  const buffer = device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  buffer.mapAsync(GPUMapMode.READ).catch(() => {});
  device.destroy();
} catch (error) {
  if (!(error instanceof DownhillError)) throw error;
  const { code, message, fix } = error;
  console.log(JSON.stringify({ code, message, fix }));
}
