/** A program for node-device.test.ts: asks for a device in a process of its own and prints one line of JSON. */
import { DownhillError } from '../../src/gpu/errors.js';
import { requestDevice, requestGpu } from '../../src/node/index.js';

try {
  const { driver } = await requestGpu();
  const device = await requestDevice();
  console.log(JSON.stringify({ driver, description: device.adapterInfo.description }));
  device.destroy();
} catch (error) {
  if (!(error instanceof DownhillError)) throw error;
  const { code, message, fix } = error;
  console.log(JSON.stringify({ code, message, fix }));
}
