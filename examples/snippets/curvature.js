/** Says what the loss looks like here, and which rates plain gradient descent can take. */
export async function shape(trainer, say = console.log) {
  const { step, loss, largest, smallest, negative, conditionNumber, conditionRank, stabilityLimit } =
    await trainer.curvature({ eigenvalues: 5 });
  say(`step ${step}, loss ${loss}: eigenvalues from ${smallest[0].value} to ${largest[0].value}`);
  say(`the first is ${conditionNumber} times the ${conditionRank}-th; at least ${negative.count} directions bend down`);
  say(`gradient descent is stable below a rate of ${stabilityLimit}`);
}
