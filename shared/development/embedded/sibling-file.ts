import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The path of a module to run beside the one that asks: TypeScript in the tree, JavaScript where it was packed. */
export function siblingFile(name: string, url: string): string {
  return fileURLToPath(new URL(`${name}${extname(url)}`, url))
}
