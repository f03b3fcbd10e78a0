/* A list that goes round, so that taking an element out needs no list. An empty head points to itself. */
#ifndef KAIO_LINK_H
#define KAIO_LINK_H

#include <stdbool.h>
#include <stddef.h>

struct link {
  struct link *next;
  struct link *previous;
};

static inline void link_init(struct link *head) { head->next = head->previous = head; }

static inline bool link_empty(const struct link *head) { return head->next == head; }

static inline void link_append(struct link *head, struct link *element) {
  element->next = head;
  element->previous = head->previous;
  head->previous->next = element;
  head->previous = element;
}

static inline void link_remove(struct link *element) {
  element->previous->next = element->next;
  element->next->previous = element->previous;
  link_init(element);
}

/* The link is the first member of everything that is in a list. */
static inline void *link_take_first(struct link *head) {
  struct link *first = head->next;
  if (first == head) return NULL;
  link_remove(first);
  return first;
}

#endif
