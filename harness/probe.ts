/**
 * What the set-up asks in a process of its own: one line of JSON about the adapter and the browser of this machine.
 * Built to dist/cli/probe.js; read by harness/setup/setup.mjs.
 */
import { DownhillError, describeAdapter } from '../src/index.js';
import { requestDevice, requestGpu } from '../src/node/index.js';
import { findBrowser } from './pages/find.js';

async function adapter() {
  try {
    const { driver } = await requestGpu();
    const device = await requestDevice();
    const { name } = describeAdapter(device);
    device.destroy();
    return { adapter: { name, driver: driver.kind }, error: null };
  } catch (error) {
    if (!(error instanceof DownhillError)) throw error;
    return { adapter: null, error: { code: error.code, message: error.message, fix: error.fix } };
  }
}

async function browser() {
  try {
    return { name: (await findBrowser()).name };
  } catch (error) {
    if (!(error instanceof DownhillError)) throw error;
    return null;
  }
}

process.stdout.write(`${JSON.stringify({ ...(await adapter()), browser: await browser() })}\n`);
