# Approval from make: `include approve.mk`, and let a target that matters need `approve-TARGET`.
#
#   deploy: approve-deploy
#   	./deploy
#
# The user is asked when the target is made, and the target is not made without a yes.
approve-%:
	@ciba-authorize -n --text 'Make $* in $(notdir $(CURDIR))' | ciba-poll -q
