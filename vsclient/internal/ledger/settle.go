package ledger

// Settle decides which versions of one key may go. It is the only rule for
// removal, and it rests on replies that were seen: it knows no clock and makes no
// request.
//
// keep is the newest version that was seen searchable and whose removal has not
// begun; it is empty when there is none. A version may go when
//
//   - its indexing was seen to have failed, or
//   - it is older than keep, or
//   - its removal has begun and there is a version to keep.
//
// Every other version waits. Therefore a version that may be searchable goes only
// when a newer one was seen searchable, or when its removal had been decided so
// before. Without a version to keep, nothing that may yet be searchable goes.
//
// remove lists the oldest version first, so that a reader who comes in the middle
// finds the newest.
func Settle(h Holdings) (keep string, remove, wait []string) {
	for _, v := range h.Versions {
		switch {
		case keep == "" && v.searchable():
			keep = v.ID
		case v.Status == Failed && v.Seen == Read, keep != "", v.Going && h.keeps(), v.Going && v.Status == Absent:
			remove = append([]string{v.ID}, remove...)
		default:
			wait = append(wait, v.ID)
		}
	}
	return keep, remove, wait
}

// searchable reports whether the version was seen searchable and is to stay.
func (v Version) searchable() bool {
	return v.Status == Completed && v.Seen == Read && !v.Going
}

// keeps reports whether one of the versions can be kept.
func (h Holdings) keeps() bool {
	for _, v := range h.Versions {
		if v.searchable() {
			return true
		}
	}
	return false
}
