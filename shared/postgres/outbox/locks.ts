import { hashOf } from '../../events/tags.ts'

/**
 * The first number of our advisory locks; the second says which one. Chosen once, for ever: releases that run side by
 * side must lock the same.
 */
export const locks = {
  /** By the key's hash: held by whoever adds, until the commit. */
  key: 1_802_857_301,
  /** By bucket: held by the relay that sends it. */
  bucket: 1_802_857_302,
  /** What one process does for all. */
  upkeep: 1_802_857_303,
} as const

export const upkeep = { partitions: 1, redrive: 2 } as const

export const bucketCount = 64

export function bucketOf(key: string): number {
  return hashOf(key) % bucketCount
}

/** PostgreSQL's locks take a signed number. Two keys with the same one wait for each other, no more. */
export function lockOf(key: string): number {
  return hashOf(key) | 0
}
