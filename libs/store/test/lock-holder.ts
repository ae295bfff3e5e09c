/** Holds a data folder until it is killed; prints a line once it has it. */
import { writeSync } from 'node:fs';
import { openDataFolder } from '../src/data-folder.ts';

const [, , path = ''] = process.argv;
const folder = await openDataFolder(path);
writeSync(1, `${folder.path}\n`);
process.stdin.resume();
