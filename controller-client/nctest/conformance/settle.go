package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// lookAgain is how often a change under way is looked at.
const lookAgain = 500 * time.Millisecond

// stubborn is after how many looks a deleted resource that does not say it is being deleted will stay.
const stubborn = 10

// madeAt remembers the top-level resource of a path, to delete it at the end.
func (w *run) madeAt(path string) {
	parts := strings.Split(strings.TrimPrefix(path, apiPath+"/"), "/")
	if len(parts) < 2 {
		return
	}
	if top := apiPath + "/" + parts[0] + "/" + parts[1]; !slices.Contains(w.made, top) {
		w.made = append(w.made, top)
	}
}

// settle waits until a change is done: a controller may answer before it is. It answers the
// provisioningState then, or "gone"; of a deletion it waits for that.
func (w *run) settle(ctx context.Context, path string, deletion bool) (state string) {
	ctx, cancel := context.WithTimeout(ctx, w.Patience)
	defer cancel()
	for looks := 0; ; looks++ {
		status, now := w.look(ctx, path)
		switch {
		case status == http.StatusNotFound:
			return "gone"
		case status == http.StatusOK:
			state = now
			if deletion && state != "Deleting" && looks == stubborn {
				return "still " + state
			}
			if !deletion && state != "Updating" && state != "Deleting" {
				return state
			}
		case status != 0 && !deletion:
			return fmt.Sprintf("status %d", status)
		}
		select {
		case <-ctx.Done():
			return state + " after all patience"
		case <-time.After(lookAgain):
		}
	}
}

// undo deletes what a trial has made. If that fails, the end of the run tries again.
func (w *run) undo(ctx context.Context, path string) {
	if w.delete(ctx, path) {
		w.settle(ctx, path, true)
	}
}

// delete answers whether the request was taken. A controller may insist on If-Match.
func (w *run) delete(ctx context.Context, path string) bool {
	for _, ifMatch := range []string{"", "*"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodDelete, w.base.String()+path, nil)
		if err != nil {
			return false
		}
		if ifMatch != "" {
			req.Header.Set("If-Match", ifMatch)
		}
		resp, _, err := w.send(req)
		if err != nil {
			return false
		}
		if resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusNotFound {
			return true
		}
	}
	return false
}

// look answers a resource's provisioningState; status 0 is no answer.
func (w *run) look(ctx context.Context, path string) (status int, state string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base.String()+path, nil)
	if err != nil {
		return 0, ""
	}
	resp, body, err := w.send(req)
	if err != nil {
		return 0, ""
	}
	var v struct {
		Properties struct{ ProvisioningState string }
	}
	_ = json.Unmarshal(body, &v) // then it has no state
	return resp.StatusCode, v.Properties.ProvisioningState
}

// clear deletes what is left, the last first. What is still in use because another deletion is under
// way is tried again.
func (w *run) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.Patience)
	defer cancel()
	left := slices.Clone(w.made)
	slices.Reverse(left)
	for {
		left = slices.DeleteFunc(left, func(path string) bool {
			w.delete(ctx, path)
			status, _ := w.look(ctx, path) // whatever was answered, that it is not there any more counts
			return status == http.StatusNotFound
		})
		if len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("could not delete, please do: " + strings.Join(left, ", "))
		case <-time.After(lookAgain):
		}
	}
}
