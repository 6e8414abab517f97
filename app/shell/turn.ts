/** Lets the page answer and draw before what comes after: long work in pieces. */
export const turn = (milliseconds = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
