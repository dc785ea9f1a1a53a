import { APPEND } from './append-script.ts'
import * as group from './group-scripts.ts'
import * as holding from './holding-scripts.ts'
import { MISSING } from './missing.ts'
import { MOVE_GROUP } from './move-group.ts'
import { FEED } from './operations.ts'
import { END_REPLAY } from './replay-jobs.ts'
import { TRIM } from './retention.ts'
import * as moving from './scripts.ts'

/** What each script is called in traces, by the SHA-1 that Redis knows it by: `bring_back`. */
export const scriptNames: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...group,
    ...holding,
    ...moving,
    APPEND,
    FEED,
    MISSING,
    MOVE_GROUP,
    END_REPLAY,
    TRIM,
  }).flatMap(([name, value]) =>
    typeof value === 'object' && 'sha' in value ? [[value.sha, name.toLowerCase()] as const] : [],
  ),
)
