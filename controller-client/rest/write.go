package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

var _ cc.Writer = (*Source)(nil)

// resends is how often a write without an answer is made again, if reading shows that it has not happened.
const resends = 2

// AddIPConfiguration implements controllerclient.Writer. ctx bounds how long it tries.
func (s *Source) AddIPConfiguration(ctx context.Context, r cc.IPRequest) (netip.Addr, error) {
	nic, id, err := splitConfiguration(r.Ref)
	if err != nil {
		return netip.Addr{}, err
	}
	body, err := s.edit(ctx, nic, func(body tree) (bool, error) {
		have, _ := configurationOf(body, id)
		if have == nil {
			addConfiguration(body, id, r)
			return true, nil
		}
		return false, sameConfiguration(have, r)
	})
	if err != nil {
		return netip.Addr{}, err
	}
	return s.settled(ctx, r, nic, id, body)
}

// sameConfiguration says why one that is there is not the one asked for.
func sameConfiguration(have tree, r cc.IPRequest) error {
	if subnet := subnetOf(have); cc.RefKey(subnet) != cc.RefKey(r.Subnet) {
		return fmt.Errorf("%s is there already, in subnet %s", r.Ref, oneLine(subnet))
	}
	if a := addressOf(have); r.Address.IsValid() && a.IsValid() && a != r.Address {
		return fmt.Errorf("%s is there already, with address %s", r.Ref, a)
	}
	return nil
}

// settled waits until an ipConfiguration has its address, or has failed. body is the NIC as last seen, or nil.
func (s *Source) settled(ctx context.Context, r cc.IPRequest, nic, id string, body tree) (a netip.Addr, err error) {
	var pause pauses
	for {
		if body != nil {
			have, _ := configurationOf(body, id)
			switch {
			case have == nil:
				return a, fmt.Errorf("%s: taken away by another hand", r.Ref)
			case failed(have), failed(body):
				why := detailedInfo(have)
				if why == "" {
					why = detailedInfo(body)
				}
				return a, fmt.Errorf("%s: provisioningState is Failed: %s", r.Ref, why)
			case !working(have) && !working(body) && addressOf(have).IsValid():
				return addressOf(have), nil
			}
		}
		if err := pause.wait(ctx, nil); err != nil {
			return a, fmt.Errorf("%s: has no address yet: %w", r.Ref, err)
		}
		if body, err = s.body(ctx, nic); err != nil {
			return a, err
		}
	}
}

// RemoveIPConfiguration implements controllerclient.Writer.
func (s *Source) RemoveIPConfiguration(ctx context.Context, ref string) (found bool, err error) {
	nic, id, err := splitConfiguration(ref)
	if err != nil {
		return false, err
	}
	_, err = s.edit(ctx, nic, func(body tree) (bool, error) {
		_, at := configurationOf(body, id)
		if at < 0 {
			return false, nil
		}
		found = true
		removeConfiguration(body, at)
		return true, nil
	})
	if errors.Is(err, cc.ErrGone) || errors.Is(err, errNotFound) {
		return found, nil // with its NIC
	}
	return found, err
}

// ReportState implements controllerclient.Writer, as a JSON merge patch: nothing of what is wanted can be overwritten.
// [MS-NCNBI] names PATCH without its body; that this is it is derived.
func (s *Source) ReportState(ctx context.Context, ref string, state cc.ConfigurationState) (etag string, err error) {
	if state.Details == nil {
		state.Details = []cc.StateDetail{}
	}
	var pause pauses
	for {
		answer, err := s.here().send(ctx, http.MethodPatch, refPath(ref), "", tree{"properties": tree{"configurationState": state}})
		if err == nil || !isBusy(err) {
			return textOf(answer, "etag"), err
		}
		if pause.wait(ctx, err) != nil {
			return "", err
		}
	}
}

// edit changes a resource: it reads, writes what change has made of it if nobody came between, and else begins again.
// change answers false when there is nothing to do. The body is as left, or nil if the controller did not show it.
func (s *Source) edit(ctx context.Context, ref string, change func(body tree) (bool, error)) (tree, error) {
	var pause pauses
	var last error // of the write before
	var etag string
	for unanswered := 0; ; {
		body, err := s.body(ctx, ref)
		if err != nil {
			if last != nil {
				err = fmt.Errorf("%w; reading again: %w", last, err)
			}
			return nil, err
		}
		before := etag
		if etag = textOf(body, "etag"); conflict(last) && !isBusy(last) && !working(body) && etag == before {
			return nil, last // nobody was at work: it has another reason
		}
		if changed, err := change(body); err != nil || !changed {
			return body, err
		}
		if etag == "" {
			return nil, fmt.Errorf("%s has no etag: it cannot be changed without overwriting what others change", ref)
		}
		answer, err := s.here().send(ctx, http.MethodPut, refPath(ref), etag, body)
		if err == nil {
			return answer, nil
		}
		if errors.Is(err, cc.ErrUnanswered) {
			if unanswered++; unanswered > resends {
				return nil, err
			}
		} else if !conflict(err) && !isBusy(err) {
			return nil, err
		}
		if pause.wait(ctx, err) != nil {
			return nil, err
		}
		last = err
	}
}

// conflict is a 409, which may mean many things.
func conflict(err error) bool {
	var e *cc.WriteError
	return errors.As(err, &e) && e.Status == http.StatusConflict
}

// isBusy says that the same write, made anew, may do: somebody came between, or is at work.
func isBusy(err error) bool {
	var e *cc.WriteError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case http.StatusPreconditionFailed, http.StatusTooManyRequests:
		return true
	}
	return e.Status == http.StatusConflict && e.Code == "ResourceBusy"
}

func splitConfiguration(ref string) (nic, id string, err error) {
	nic, id, found := strings.Cut(ref, "/ipConfigurations/")
	if !found || id == "" || strings.Contains(id, "/") {
		return "", "", fmt.Errorf("%q is not an ipConfiguration's reference", ref)
	}
	return nic, id, nil
}
