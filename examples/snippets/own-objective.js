import { createMinimizer, lbfgs } from 'downhill';

/** Minimizes what a kernel of yours computes: it reads x (binding 0), and writes the gradient (1) and the value (2). */
export async function minimizeOwn(device, pipeline, param, shape) {
  let groups = [];
  const minimizer = await createMinimizer(device, lbfgs({ trials: 4 }), [{ name: 'x', shape, param }], {
    evaluate(encoder, { index }) {
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, groups[index]);
      pass.dispatchWorkgroups(1);
      pass.end();
    },
  });
  // The ranges of a point are the same in every round: bind groups are made once.
  groups = minimizer.points.map(({ params, grads, value }) =>
    device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [params.x, grads.x, value].map((resource, binding) => ({ binding, resource })),
    }),
  );
  const encoder = device.createCommandEncoder();
  for (let round = 0; round < 64; round++) minimizer.step(encoder); // nothing is read in between
  device.queue.submit([encoder.finish()]);
  return minimizer; // await minimizer.read(): { iterations, value, gradMax, stopped … }; x is in `param`
}
