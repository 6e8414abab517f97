import { dataset } from 'downhill/node';

/** Clothes in 10 classes, 60,000 samples to train on and 10,000 to test with; 'mnist' is the other one. */
export async function clothes(onProgress) {
  const { train, test } = await dataset('fashion-mnist', { onProgress });
  return { train, test };
}
