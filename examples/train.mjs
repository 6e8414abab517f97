import { adam, createTrainer, digits, mlp, split } from 'downhill';
import { requestDevice } from 'downhill/node'; // in a page: from 'downhill'

const device = await requestDevice();
const [train, test] = split(digits({ samples: 5000 }), 4000);
const model = mlp({ sizes: [784, 100, 100, 10], activation: 'relu' });
const trainer = await createTrainer(device, { model, rule: adam({ lr: 1e-3 }), data: train, batchSize: 64 });
for await (const { step, loss } of trainer.run({ epochs: 5 })) {
  if (step % 50 === 0) console.log(`step ${step}, loss ${loss.toFixed(4)}`);
}
console.log(await trainer.evaluate(test)); // { step, loss, accuracy }
