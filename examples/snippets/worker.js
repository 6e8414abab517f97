import { adam, createTrainer, mlp } from 'downhill';

/** In a worker: `serveTraining(self, await requestDevice())`. The page posts { data, epochs }, or 'stop'. */
export function serveTraining(port, device) {
  let run;
  port.onmessage = ({ data: message }) => {
    if (message === 'stop') run.stopped = true;
    else {
      run = { ...message, stopped: false };
      train(port, device, run).catch((error) => port.postMessage({ error: error.message }));
    }
  };
}

async function train(port, device, run) {
  const { data, epochs } = run;
  const model = mlp({ sizes: [data.features, 64, data.targets.classes] });
  const trainer = await createTrainer(device, { model, rule: adam(), data, submitMs: 200 }); // no page waits here
  try {
    for await (const { step, loss } of trainer.run({ epochs })) {
      port.postMessage({ step, loss });
      if (run.stopped) break;
    }
    const bytes = await trainer.checkpoint();
    port.postMessage({ bytes }, [bytes.buffer]);
  } finally {
    trainer.destroy();
  }
}
