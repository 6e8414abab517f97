/** This release, as package.json has it: stands in every file that it writes. */
export const VERSION = '0.1.0';
