# Approval in make: `include approve.mk`, and make a target that matters depend on `approve-TARGET`.
#
#   deploy: approve-deploy
#   	./deploy
#
# The user is asked when the target is made. Without a yes it is not made.
approve-%:
	@ciba-authorize -n --text 'Make $* in $(notdir $(CURDIR))' | ciba-poll -q
