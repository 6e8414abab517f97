import { requestDevice } from 'downhill/node';
import { run } from './main.js';

await run(await requestDevice(), console.log);
