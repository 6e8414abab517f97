/** What the text of a kernel is to TypeScript: `import code from 'downhill/shaders/optim/adam.wgsl?raw'`. */
declare const code: string;
export default code;
