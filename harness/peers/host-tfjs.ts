/** TensorFlow.js itself, for the test of downhill/interop/tfjs: in Node it needs a bundler, as its gradients are modules without endings. */
import '@tensorflow/tfjs-backend-webgpu';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';

export * from '@tensorflow/tfjs-core';
