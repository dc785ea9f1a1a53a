import { calls } from './calls.ts'
import { data } from './data.ts'
import type { Defence } from './defence.ts'
import { limits } from './limits.ts'
import { logins } from './logins.ts'
import { requests } from './requests.ts'
import { tokens } from './tokens.ts'

export const defences: readonly Defence[] = [...tokens, ...logins, ...data, ...requests, ...calls, ...limits]
