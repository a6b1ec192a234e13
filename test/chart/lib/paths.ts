import { dirname, join } from 'node:path'

/** Folder of the project. */
export const root = dirname(dirname(dirname(import.meta.dirname)))

/** The chart. */
export const chart = join(root, 'chart')

/** The chart tests' folder below the caches. */
export const cache = join(root, '.cache', 'chart')

/** A tool built by `npm run tools`. */
export const tool = (name: string): string => join(root, '.tools', 'bin', name)
