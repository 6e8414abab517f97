/** What a step costs, before the first one. */
export function cost(optimizer) {
  const { dispatches, bytesPerStep, stateBytes, stepsAhead } = optimizer.describe();
  return `${dispatches} dispatches, ${bytesPerStep} bytes moved, ${stateBytes} bytes of state, ${stepsAhead} steps ahead`;
}
