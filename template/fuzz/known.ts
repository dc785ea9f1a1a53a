import type { Operation } from './operations.ts'

/** Stands in a request for what is asked for when it is sent: most can be used once. */
export const placeholders = [
  '{email}',
  '{password}',
  '{refresh token}',
  '{password token}',
  '{user}',
  '{subscription}',
  '{tag}',
  '{entry}',
  '{letter}',
  '{replay}',
] as const
export type Placeholder = (typeof placeholders)[number]

/** By the name of a field or parameter; behind it the paths that begin so, where others mean something else by it. */
const meanings: readonly (readonly [name: string, Placeholder, path?: string])[] = [
  ['email', '{email}', '/api/auth'],
  ['password', '{password}'],
  ['old_password', '{password}'],
  ['new_password', '{password}'],
  ['refresh_token', '{refresh token}'],
  ['token', '{password token}'],
  ['id', '{user}', '/api/users'],
  ['id', '{replay}', '/api/events'],
  ['subscription', '{subscription}'],
  ['tag', '{tag}'],
  ['entry', '{entry}'],
  ['ids', '{letter}'],
]

/** What a field or parameter of an operation is likely to be good with. */
export function meaningOf({ path }: Pick<Operation, 'path'>, name: string): Placeholder | undefined {
  return meanings.find(([known, , begin = '']) => known === name && path.startsWith(begin))?.[1]
}
