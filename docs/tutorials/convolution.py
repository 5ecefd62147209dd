# %% [markdown]
# # convolution

# %%
print(1)
