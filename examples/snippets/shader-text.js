import { adamShader } from 'downhill/shaders/optim/adam';

/** The complete WGSL of a kernel, and what it binds: for a pipeline of your own. */
export function describeKernel() {
  const { code, entryPoint, bindings, overrides, structs } = adamShader;
  const names = bindings.map(({ binding, name, type }) => `${binding} ${name}: ${type}`);
  const scalars = Object.entries(structs.Hyper.fields).map(([name, { offset, type }]) => `${offset} ${name}: ${type}`);
  return { code, entryPoint, names, scalars, overrides: Object.keys(overrides) };
}
