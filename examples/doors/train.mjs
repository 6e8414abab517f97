import { adam, createTrainer, digits, mlp } from 'downhill';
import { requestDevice } from 'downhill/node'; // in a page: from 'downhill'

const options = { model: mlp({ sizes: [784, 100, 10] }), rule: adam(), data: digits({ samples: 5000 }), batchSize: 64 };
const trainer = await createTrainer(await requestDevice(), options);
for await (const { step, loss } of trainer.run({ epochs: 3 })) console.log(step, loss);
