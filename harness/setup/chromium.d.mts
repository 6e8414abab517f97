export declare function installChromium(why: string): void;
