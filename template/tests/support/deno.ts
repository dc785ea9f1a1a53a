import { which } from 'bun'

/** @throws {Error} with the way to get it. */
export function findDeno(): string {
  const found = which('deno')
  if (!found) throw new Error('deno is not on the PATH; npm install --global deno')
  return found
}
