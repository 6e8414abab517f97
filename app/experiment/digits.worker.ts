import { digits } from '../../src/index.js';

// Drawing 10,000 digits takes a while; the page stays responsive because a worker does it.
self.addEventListener('message', ({ data: samples }: MessageEvent<number>) => {
  try {
    const dataset = digits({ samples });
    const transfer = [dataset.x.buffer];
    self.postMessage({ dataset }, { transfer });
  } catch (error) {
    self.postMessage({ failed: error instanceof Error ? error.message : String(error) });
  }
});
