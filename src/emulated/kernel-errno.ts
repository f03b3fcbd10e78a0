/** Answers that stay inside the kernel (`linux/errno.h`). */

/**
 * What a file's method answers when somebody will tell the result later.
 *
 * Every other answer is the result (a count, or a negative errno), or {@link EIOCBRETRY}.
 */
export const EIOCBQUEUED = 529;

/**
 * What a file's method answers when it wants to be called again after a kick. What it has done so far is in the request.
 */
export const EIOCBRETRY = 530;
